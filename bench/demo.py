#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What vswap does, in about two minutes, on programs that know nothing of it.

    demo.py [--mib N]

An ordinary redis-server is filled with values that can be checked, attached while it runs, shrunk
to a quarter (in RAM alone, then with a file), read back, and let go again. Then xz -9, a Python
program and sort run in a quarter of the memory that they want and must write the same bytes.
"""
import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import redis_load
import runner
from runner import MIB, VSWAP

SAMPLE_SECONDS = 0.1
# The least budget that `vswap run` takes.
LEAST_BUDGET = 16 * MIB


def say(text):
    print(text, flush=True)


class Failed(Exception):
    """Something went wrong that the watcher must hear about."""


class Sampler(threading.Thread):
    """Resident anonymous memory of the program and of the owner, ten times a second."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.owner = pid, None
        self.samples, self.marks = [], []
        self.start_time = time.monotonic()
        self.running = True
        self.start()

    @staticmethod
    def anonymous(pid):
        try:
            with open("/proc/%d/statm" % pid, encoding="ascii") as file:
                words = file.read().split()
            return (int(words[1]) - int(words[2])) * 4096
        except (OSError, IndexError, TypeError):
            return 0

    def now(self):
        return time.monotonic() - self.start_time

    def run(self):
        while self.running:
            owner = self.owner
            self.samples.append((self.now(), self.anonymous(self.pid),
                                 self.anonymous(owner) if owner else 0))
            time.sleep(SAMPLE_SECONDS)

    def mark(self, text):
        self.marks.append((self.now(), text))

    def total(self):
        _, program, owner = self.samples[-1]
        return program + owner

    def peak_since(self, start):
        return max((program + owner for at, program, owner in self.samples if at >= start),
                   default=0)


class Redis:
    """A server without a port, in a folder of its own."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "redis.socket")
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.path, "--save", "",
             "--appendonly", "no", "--dir", folder], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        self.client = redis_load.wait_for(self.path, self.process)

    def check(self, count):
        start = time.monotonic()
        bad = redis_load.check(self.client, count, sys.stderr.isatty())
        if bad:
            raise Failed("%d of %d values are wrong" % (bad, count))
        say("    all %d values read back right, in %.1f s" % (count, time.monotonic() - start))

    def stop(self):
        self.process.kill()
        self.process.wait()


class Attached:
    """A running `vswap attach`."""

    def __init__(self, pid, budget, backend=None):
        self.pid = pid
        command = [VSWAP, "attach", "-q", "-m", str(budget)]
        if backend:
            command += ["--backend", backend]
        self.process = subprocess.Popen(command + [str(pid)], start_new_session=True)

    def wait_until_small(self, sampler, budget):
        start, shown = time.monotonic(), 0.0
        sampler.owner = self.process.pid
        while sampler.total() > budget * 1.02 or time.monotonic() - start < 0.5:
            if self.process.poll() is not None:
                raise Failed("vswap attach ended: see its message above")
            if time.monotonic() - start > 60:
                raise Failed("still %d MiB after a minute" % (sampler.total() // MIB))
            if time.monotonic() - shown > 1:
                shown = time.monotonic()
                say("    %4d MiB" % (sampler.total() // MIB))
            time.sleep(0.05)
        say("    %4d MiB, after %.1f s: %s" % (
            sampler.total() // MIB, time.monotonic() - start, self.where_it_is()))

    def where_it_is(self):
        done = subprocess.run([VSWAP, "stat", "--json", str(self.pid)], stdout=subprocess.PIPE,
                              check=False)
        if done.returncode:
            return "no figures"
        stats = runner.json.loads(done.stdout)
        files = sum(backend["used_bytes"] for backend in stats["backends"]
                    if backend["kind"] == "file")
        return "%d MiB resident, %d MiB hold the rest compressed%s" % (
            stats["resident_bytes"] // MIB, stats["pool_bytes"] // MIB,
            ", %d MiB in the file" % (files // MIB) if files else "")

    def detach(self):
        subprocess.run([VSWAP, "detach", str(self.pid)], check=True, timeout=120)
        self.process.wait(timeout=60)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.process.kill()


def shrink(redis, sampler, count, budget, backend, rows):
    name = "redis, %s" % ("with a file" if backend else "no file")
    wanted = sampler.total()
    say("\n  vswap attach -m %d%s %d" % (budget, " --backend file:FOLDER" if backend else "",
                                        redis.process.pid))
    sampler.mark("attach")
    attached = Attached(redis.process.pid, budget, backend)
    try:
        attached.wait_until_small(sampler, budget)
        small_since, start = sampler.now(), time.monotonic()
        redis.check(count)
        took, used = time.monotonic() - start, sampler.peak_since(small_since)
        sampler.mark("detach")
        attached.detach()
    finally:
        attached.stop()
        sampler.owner = None
    rows.append((name + ", read all", wanted, used, took, None))
    say("    detached: process %d is still the same, %d MiB resident" % (
        redis.process.pid, sampler.total() // MIB))


def redis_part(options, folder, rows):
    say("1. A running redis-server, filled with %d MiB of values that can be checked" % options.mib)
    redis, sampler = Redis(folder), None
    try:
        count = redis_load.count_for(options.mib)
        redis_load.fill(redis.client, count, sys.stderr.isatty())
        sampler = Sampler(redis.process.pid)
        time.sleep(1)
        redis.check(count)
        budget = sampler.total() // 4 // MIB * MIB
        shrink(redis, sampler, count, budget, None, rows)
        shrink(redis, sampler, count, budget, "file:" + folder, rows)
        say("\n  The same data once more, without vswap:")
        redis.check(count)
    finally:
        if sampler:
            sampler.running = False
        redis.stop()
    return sampler


def make_inputs(folder):
    inputs = __import__("programs.inputs", fromlist=["inputs"])
    inputs.texts(os.path.join(folder, "texts"), 48000)
    inputs.accesses(os.path.join(folder, "log"), 100000)
    return {
        "xz -9": ["xz", "-9", "-T1", "-k", "-c", os.path.join(folder, "log")],
        "a Python heap": ["/usr/bin/python3", os.path.join(runner.HERE, "programs", "heap.py"),
                          "65000"],
        "sort": ["sort", "-S", "1G", os.path.join(folder, "texts")],
    }


def programs_part(folder, rows):
    say("\n2. Programs in a quarter of the memory that they want")
    zram = runner.kernel_available("zram-4k-pc0")
    if zram:
        say("  (%s)" % zram)
    for name, command in make_inputs(folder).items():
        plain = runner.run("plain", command)
        wanted = plain.measured["anonymous_peak_bytes"]
        budget = max(wanted // 4 // MIB * MIB, LEAST_BUDGET)
        say("  %s wants %d MiB and gets %d: vswap run -m %dM ..." % (
            name, wanted // MIB, budget // MIB, budget // MIB))
        ours = runner.run("vswap", command, budget, backend="file:" + folder)
        if ours.digest != plain.digest:
            raise Failed("%s wrote something else" % name)
        say("    the same output, bit for bit, in %.1f s (alone %.1f s)" % (
            ours.measured["wall_seconds"], plain.measured["wall_seconds"]))
        rows.append((name, wanted, ours.measured["anonymous_peak_bytes"],
                     ours.measured["wall_seconds"], None if zram else kernel(command, budget)))


def kernel(command, budget):
    try:
        return "%.1f" % runner.run("zram-4k-pc0", command, budget).measured["wall_seconds"]
    except runner.Skip:
        return None
    except RuntimeError:
        return "killed"


def table(rows):
    say("\n%-28s %10s %10s %10s %10s" % ("", "wanted", "used", "vswap", "zram*"))
    for name, wanted, used, seconds, zram in rows:
        say("%-28s %6d MiB %6d MiB %8.1f s %8s %s" % (
            name, wanted // MIB, used // MIB, seconds, zram or "–",
            "s" if zram and zram != "killed" else ""))
    say("* zram with lz4 in a cgroup with the same limit; its compressed pool comes on top of that.\n"
        "  \"used\" is everything: resident pages, compressed pages, vswap's own tables.")


def plot(sampler, rows):
    """A picture of the redis part; in the terminal too."""
    if not shutil.which("gnuplot"):
        say("(no gnuplot here, so no plot)")
        return
    path = os.path.join(runner.BUILD, "demo.svg")
    data = "\n".join("%.2f %.1f %.1f" % (at, program / MIB, (program + owner) / MIB)
                     for at, program, owner in sampler.samples)
    labels = "".join("set label %d '%s' at %.1f, graph 0.97 rotate by 90 right font ',11'\n"
                     "set arrow from %.1f, graph 0 to %.1f, graph 0.98 nohead lc rgb '#999999' "
                     "dt 2\n" % (index + 1, text, at + 0.3, at, at)
                     for index, (at, text) in enumerate(sampler.marks))
    script = "$data << EOD\n" + data + "\nEOD\nset yrange [0:*]\nset xlabel 'seconds'\n" \
        "set ylabel 'MiB'\nset key bottom left\n"
    curves = "plot $data using 1:3 with filledcurves y1=0 lc rgb '#c9e4d8' " \
        "title 'compressed pages and tables', $data using 1:2 with filledcurves y1=0 " \
        "lc rgb '#0b6e4f' title 'resident pages of redis-server'\n"
    script += "set terminal svg size 760,380 font 'sans-serif,13' background 'white'\n" \
        "set output '%s'\nset title 'redis-server, its memory over time'\n" % path + labels + curves
    if sys.stdout.isatty():
        script += "unset label\nunset arrow\nset output\nset terminal dumb 78 18\n" \
            "plot $data using 1:3 with lines title 'redis and vswap, MiB'\n"
    subprocess.run(["gnuplot"], input=script, text=True, check=False)
    say("plot: %s" % os.path.relpath(path))


def stop_on_signals():
    def stop(number, _):
        raise Failed("stopped by signal %d" % number)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--mib", type=int, default=600, help="values in redis")
    options = parser.parse_args()
    stop_on_signals()
    start, rows = time.monotonic(), []
    # Not in /tmp, which may be memory: the file backend's folder must be a disk's.
    folder = tempfile.mkdtemp(prefix="demo-", dir=runner.BUILD)
    try:
        sampler = redis_part(options, folder, rows)
        programs_part(folder, rows)
        table(rows)
        plot(sampler, rows)
        say("done in %d s" % (time.monotonic() - start))
    except (Failed, runner.Skip, RuntimeError, subprocess.SubprocessError, OSError) as reason:
        sys.exit("demo: %s" % reason)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
