#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Fills a redis server with values that can be checked, reads them all back, and measures it.

    redis_load.py fill|check SOCKET MIB [--progress]

A value is JSON of about 1 KiB, made from the number of its key and nothing else.
"""
import os
import random
import shutil
import socket
import subprocess
import sys
import time

import runner
from results import BASELINES, Results, kernel_turn, say, variants_for
from runner import MIB, Skip

VALUE_BYTES = 1024
BATCH = 64
WORDS = ("amber birch cedar dune ember fjord grove heath iris jade kelp larch moss nimbus "
         "ochre plum quartz reed slate tidal umber vale wren yarrow zephyr").split()
# A shop's catalogue: what it sells at which price, in cents.
CATALOGUE = [(number, "%s %s" % (WORDS[number % 25], WORDS[number * 7 // 25 % 25]),
              199 + number * 37 % 9000) for number in range(500)]
STATES = ("new", "paid", "packed", "sent")


def count_for(mib):
    """Values that make redis about that big: each costs some 150 bytes beside its own."""
    return mib * MIB // (VALUE_BYTES + 150)


def value(number):
    """An order of a shop: an id, a customer, a time, and lines from the catalogue."""
    dice = random.Random(number)
    bits = dice.getrandbits
    fields = ['{"id": %d, "customer": "c%06d", "token": "%016x", "state": "%s", '
              '"created": "2024-%02d-%02dT%02d:%02d:%02dZ", "lines": [' % (
                  number, bits(19), bits(64), STATES[bits(2)], 1 + bits(3), 1 + bits(4), bits(4),
                  bits(5), bits(5))]
    size = len(fields[0])
    while size < VALUE_BYTES - 110:
        sku, name, cents = CATALOGUE[bits(8)]
        fields.append('%s{"sku": "A-%05d", "name": "%s", "count": %d, "price": %d.%02d, '
                      '"currency": "EUR"}' % (", " if len(fields) > 1 else "", sku, name,
                                              1 + bits(2), cents // 100, cents % 100))
        size += len(fields[-1])
    return ("".join(fields) + "]}").encode()


def key(number):
    """The keys that redis-benchmark makes from key:__rand_int__."""
    return b"key:%012d" % number


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")

    def send(self, commands):
        parts = []
        for command in commands:
            parts.append(b"*%d\r\n" % len(command))
            parts += [b"$%d\r\n%s\r\n" % (len(word), word) for word in command]
        self.socket.sendall(b"".join(parts))

    def reply(self):
        line = self.file.readline()
        if not line:
            raise RuntimeError("redis is gone")
        if line[:1] == b"-":
            raise RuntimeError(line.decode())
        if line[:1] != b"$":
            return line[1:-2]
        size = int(line[1:])
        return self.file.read(size + 2)[:-2] if size >= 0 else None

    def ask(self, *command):
        self.send([command])
        return self.reply()


def progress(shown, what, done, total):
    if shown:
        sys.stderr.write("\r  %s %3d %%" % (what, 100 * done // total))
        if done >= total:
            sys.stderr.write("\n")
        sys.stderr.flush()


def fill(client, count, shown=False):
    for start in range(0, count, BATCH):
        numbers = range(start, min(start + BATCH, count))
        client.send([(b"SET", key(number), value(number)) for number in numbers])
        for _ in numbers:
            client.reply()
        if start % (BATCH * 256) == 0:
            progress(shown, "filling", start, count)
    progress(shown, "filling", count, count)


def check(client, count, shown=False):
    """How many values were wrong."""
    bad = 0
    for start in range(0, count, BATCH):
        numbers = range(start, min(start + BATCH, count))
        client.send([(b"GET", key(number)) for number in numbers])
        for number in numbers:
            bad += client.reply() != value(number)
        if start % (BATCH * 256) == 0:
            progress(shown, "reading back", start, count)
    progress(shown, "reading back", count, count)
    return bad


def wait_for(path, process):
    for _ in range(600):
        try:
            return Client(path)
        except OSError:
            if process.poll() is not None:
                raise Skip("redis-server does not start") from None
            time.sleep(0.05)
    raise Skip("redis-server does not answer")


def load(path, count, requests):
    """redis-benchmark's uniform random keys: three reads to one write of a value. Seconds each."""
    took = {}
    fixed = value(1).decode()
    for name, share, command in (("get", 3, ["GET", "key:__rand_int__"]),
                                 ("set", 1, ["SET", "key:__rand_int__", fixed])):
        start = time.monotonic()
        subprocess.run(["redis-benchmark", "-s", path, "-q", "-c", "16", "-P", "8", "-r",
                        str(count), "-n", str(requests * share // 4), *command], check=True,
                       stdout=subprocess.DEVNULL)
        took[name] = time.monotonic() - start
    return took


def measure(variant, limit, mib, requests):
    """One server from start to end under `variant`: a runner.Run with a line of JSON of its own."""
    count = count_for(mib)
    with runner.temporary() as folder:
        path = os.path.join(folder, "socket")
        command = runner.prefix(variant, limit, folder) + [
            "redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no",
            "--dir", folder, "--daemonize", "no"]
        with runner.started(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, env=runner.environment()) as server:
            try:
                client = wait_for(path, server)
            except Skip:
                if server.poll() != 77:
                    raise
                reason = server.stderr.read().decode(errors="replace")
                raise Skip(runner.one_line(reason, 77)) from None
            start = time.monotonic()
            fill(client, count)
            filled = time.monotonic() - start
            took = load(path, count, requests)
            start = time.monotonic()
            sample = random.Random(3)
            for _ in range(200):
                client.ask(b"GET", key(sample.randrange(count)))
            pause = time.monotonic() - start
            client.send([(b"SHUTDOWN", b"NOSAVE")])
            server.wait(timeout=60)
            run = runner.finish(variant, folder, b"")
    run.lines = [{"phase": "redis", "fill_seconds": filled, "get_seconds": took["get"],
                  "set_seconds": took["set"], "seconds": took["get"] + took["set"],
                  "single_get_ns": pause / 200 * 1e9}]
    return run


def section(options):
    results = Results("redis", options)
    mib, requests = (150, 60000) if options.quick else (400, 400000)

    def add(variant, limit):
        try:
            run = measure(variant, limit, mib, requests)
        except Skip as reason:
            results.skip(variant, reason)
            return None
        except (RuntimeError, OSError, subprocess.SubprocessError) as reason:
            results.fail("redis", variant, "redis over %s: %s" % (variant, reason))
            return None
        say("%-10s %-22s %-13s %6.2f s for the load, %6.1f s CPU" % (
            "redis", "%d MiB" % mib, variant, run.lines[0]["seconds"],
            run.measured["cpu_seconds"]))
        results.keep(dict(run.as_dict(), case="redis", limit_bytes=limit))
        return run

    if not shutil.which("redis-benchmark"):
        results.skip("redis", "redis-server and redis-tools are not installed")
        return
    plain = add("plain", 0)
    if not plain:
        return
    wanted = plain.measured["anonymous_peak_bytes"]
    limit = wanted // options.fraction // MIB * MIB
    first = add(BASELINES[0], limit) if BASELINES[0] in variants_for(options) else None
    budget = limit + (first.measured["pool_peak_bytes"] if first else limit)
    results.data["budgets"] = {"redis": {"limit_bytes": limit, "vswap_budget_bytes": budget,
                                         "zram_pool_bytes": budget - limit,
                                         "wanted_bytes": wanted}}
    for repeat in range(options.repeats):
        add("vswap", budget)
        for variant in kernel_turn(options, repeat):
            add(variant, limit)
    results.write()


def main():
    if len(sys.argv) < 4 or sys.argv[1] not in ("fill", "check"):
        sys.exit(__doc__)
    client, count = Client(sys.argv[2]), count_for(int(sys.argv[3]))
    shown = "--progress" in sys.argv
    if sys.argv[1] == "fill":
        fill(client, count, shown)
        print("%d values" % count)
        return
    bad = check(client, count, shown)
    print("%d values read back, %d wrong" % (count, bad))
    sys.exit(bad != 0)


if __name__ == "__main__":
    main()
