# SPDX-License-Identifier: MIT
"""The overhead table of a 32 GiB swap: memory of the process, seen from outside, less segments."""
import json
import os
import subprocess

import runner
from results import Results, say

SLOTS = 8388608


def own_memory(pid):
    """RssAnon and RssShmem in bytes: what /proc says, not what the program says of itself."""
    total = 0
    with open("/proc/%d/status" % pid, encoding="ascii") as file:
        for line in file:
            if line.startswith(("RssAnon:", "RssShmem:")):
                total += int(line.split()[1]) << 10
    return total


def table(slots, folder):
    command = [runner.tool("overhead"), str(slots)] + ([folder] if folder else [])
    with runner.started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                        text=True) as process:
        for line in process.stdout:
            row = json.loads(line)
            row["memory_bytes"] = own_memory(process.pid)
            row["overhead_bytes"] = row["memory_bytes"] - row["segment_ram_bytes"]
            yield row
            process.stdin.write("\n")
            process.stdin.flush()
        if process.wait():
            raise RuntimeError("overhead: exit status %d" % process.returncode)


def section(options):
    results = Results("overhead", options)
    slots = SLOTS // 8 if options.quick else SLOTS
    for kind, folder in (("ram", None), ("disk", os.path.abspath(options.results))):
        results.data[kind] = []
        for row in table(slots, folder):
            results.data[kind].append(row)
            results.save()
            say("overhead   %-4s %3d %%  %7.2f MiB %6.2f bytes a slot" % (
                kind, 100 * row["used"] // slots, row["overhead_bytes"] / runner.MIB,
                row["overhead_bytes"] / max(row["used"], 1)))
    results.write()
