# SPDX-License-Identifier: MIT
"""As a shell does: runs a command that stops itself COUNT times, each time as soon as it goes on.

stops.py SIGNAL COUNT COMMAND...: 0 if each stop was seen, and the end.
"""
import os
import signal
import sys
import time

PATIENCE = 20  # seconds
PROGRAM = "i=0; while [ $i -lt %d ]; do kill -%s $$; i=$((i + 1)); done"


def next_status(pid):
    end = time.time() + PATIENCE
    while time.time() < end:
        found, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
        if found:
            return status
        time.sleep(0.002)
    return None


def main():
    stop, count, command = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    pid = os.fork()
    if not pid:
        os.setpgid(0, 0)
        os.execvp(command[0], command + ["sh", "-c", PROGRAM % (count, stop)])
    stops = 0
    while (status := next_status(pid)) is not None and os.WIFSTOPPED(status):
        stops += 1
        os.killpg(pid, signal.SIGCONT)
    if status is None:
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    print(f"{stops} of {count} stops were seen, then", "nothing" if status is None else status)
    return status != 0 or stops != count


sys.exit(main())
