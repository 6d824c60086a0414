# SPDX-License-Identifier: MIT
"""RAM that swapped pages of real heaps take: dumps of a Python program and of a redis server."""
import json
import os
import shutil
import subprocess
import sys
import time

import redis_load
import runner
from results import Results, say
from runner import MIB, Skip

# How long the program rests after the fill, for the cleaner.
REST_SECONDS = (2, 30)


def dump(pid, path):
    subprocess.run([sys.executable, os.path.join(runner.HERE, "heap-dump"), str(pid), path, "256"],
                   check=True)


def dump_python(path):
    code = "import runpy, time; globals().update(runpy.run_path(%r)); main(); " \
        "print('ready', flush=True); time.sleep(600)" % os.path.join(
            runner.HERE, "programs", "heap.py")
    # The objects must live on: main's own are gone when it returns.
    code = code.replace("main();", "dice = random.Random(7); kept = [Order(n, dice) "
                        "for n in range(250000)];")
    with runner.started(["/usr/bin/python3", "-c", code], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        dump(process.pid, path)


def dump_redis(path):
    with runner.temporary() as folder:
        socket = os.path.join(folder, "socket")
        with runner.started(["redis-server", "--port", "0", "--unixsocket", socket, "--save", "",
                             "--dir", folder], stdout=subprocess.DEVNULL) as server:
            redis_load.fill(redis_load.wait_for(socket, server), redis_load.count_for(230))
            dump(server.pid, path)


def swapped_bytes(stats):
    slots = stats["slots"]
    return (slots["zero"] + slots["same"] + slots["stored"]) * 4096


def watch_vswap(command, budget, seconds):
    """Bytes of pool for each byte swapped out, at the end of the rest."""
    with runner.started([runner.VSWAP, "run", "-q", "-m", str(budget), "--"] + command,
                        stdout=subprocess.PIPE, env=runner.environment()) as process:
        process.stdout.readline()
        time.sleep(max(seconds - 1, 0.5))
        done = subprocess.run([runner.VSWAP, "stat", "--json"], stdout=subprocess.PIPE, check=True)
        stats = json.loads(done.stdout)
        stats = stats[0] if isinstance(stats, list) else stats
        process.stdout.read()
        if process.wait():
            raise RuntimeError("vswap: exit status %d" % process.returncode)
    return stats


def section(options):
    if not shutil.which("redis-server"):
        raise Skip("redis-server is not installed")
    results = Results("heaps", options)
    results.data["heaps"] = []
    mib, limit = (512, 128) if options.quick else (1024, 256)
    zram = runner.kernel_available("zram-4k-pc0") is None
    with runner.temporary() as folder:
        for name, make in (("python", dump_python), ("redis", dump_redis)):
            path = os.path.join(folder, name)
            make(path)
            command = [runner.tool("usemem"), "--mib", str(mib), "--pattern", path, "--phases",
                       "fill,free"]
            row = {"heap": name, "dump_bytes": os.path.getsize(path)}
            pool = mib * MIB // 4
            if zram:
                done = results.add(name, "zram-4k-pc0", command, limit * MIB)
                if done:
                    pool = done.measured["pool_peak_bytes"]
                    row["zram_ratio"] = done.measured["pool_data_peak_bytes"] / pool
            for seconds in REST_SECONDS[:1] if options.quick else REST_SECONDS:
                stats = watch_vswap(command + ["--pause", str(seconds + 1)],
                                    limit * MIB + pool, seconds)
                row["vswap_ratio_%ds" % seconds] = swapped_bytes(stats) / max(
                    stats["pool_bytes"], 1)
                row["vswap_stats_%ds" % seconds] = stats
            results.data["heaps"].append(row)
            results.save()
            say("heaps      %s: %s" % (name, ", ".join(
                "%s %.2f" % item for item in row.items() if "ratio" in item[0])))
    results.write()
