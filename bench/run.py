#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The benchmarks of vswap against the kernel's own swaps; `./dev bench` runs this.

    run.py [--quick] [--repeats N] [--only SECTION,...] [--results FOLDER]

Sections: speed, churn, within, programs, slowdown, redis, heaps, overhead; zswap comes last (it spoils the
other variants until the next reboot) and belongs to speed. Each writes one JSON file.

Equal memory: the kernel's cgroup limit does not count the pool that zram or zswap keep, so vswap's
budget (which counts everything) is the limit plus the pool that zram-lz4 with 4 KiB pages took in
the first run of the same section.
"""
import argparse
import json
import os
import platform
import subprocess
import sys
import time

import heaps
import overhead
import redis_load
import runner
from runner import MIB, Skip, run

BASELINES = ["zram-4k-pc0", "zram-4k-pc3"]
FOLIOS = ["zram-64k-pc0", "zram-64k-pc3"]
ZSWAP = ["zswap-pc0", "zswap-pc3"]
# The kernel's out-of-memory killer ends a program in a cgroup now and then although there is swap.
KERNEL_TRIES = 4


def say(text):
    print("bench: " + text, file=sys.stderr, flush=True)


class Results:
    """Collects the runs of one section; a variant that cannot run here is left out, with a line."""

    def __init__(self, section, options):
        self.section = section
        self.options = options
        self.data = {"section": section, "repeats": options.repeats, "runs": [], "skipped": {}}

    def add(self, case, variant, command, limit, **how):
        if variant in self.data["skipped"]:
            return None
        start = time.time()
        done = None
        for _ in range(1 if variant in ("plain", "vswap") else KERNEL_TRIES):
            try:
                done = run(variant, command, limit, **how)
                break
            except Skip as reason:
                self.data["skipped"][variant] = str(reason)
                say(str(reason))
                return None
            except RuntimeError as reason:
                say("FAILED: %s" % reason)
                self.data["runs"].append({"case": case, "variant": variant,
                                          "failed": str(reason)})
        if not done:
            return None
        say("%-10s %-22s %-13s %6.1f s wall %6.1f s CPU" % (
            self.section, case, variant, done.measured["wall_seconds"],
            done.measured["cpu_seconds"]))
        self.data["runs"].append(dict(done.as_dict(), case=case, limit_bytes=limit,
                                      took=time.time() - start))
        return done

    def write(self):
        path = os.path.join(self.options.results, self.section + ".json")
        with open(path, "w", encoding="utf-8") as out:
            json.dump(self.data, out, indent=0)
        say("wrote " + path)


def variants_for(options):
    kernel = ["zram-4k-pc0", "zram-64k-pc0"] if options.quick else BASELINES + FOLIOS
    return [name for name in kernel if runner.kernel_available(name) is None]


def budget_for(results, case, command, limit):
    """The kernel's limit plus zram's pool, from the section's first run, which is also kept."""
    done = results.add(case, BASELINES[0], command, limit)
    pool = done.measured["pool_peak_bytes"] if done else limit
    results.data.setdefault("budgets", {})[case] = {
        "limit_bytes": limit, "zram_pool_bytes": pool, "vswap_budget_bytes": limit + pool}
    return limit + pool


def warm_up():
    """Memory that a virtual machine never used costs more the first time."""
    run("plain", [runner.tool("usemem"), "--mib", "3072", "--phases", "fill,free"])


def usemem(threads, mib, *more):
    return [runner.tool("usemem"), "--mib", str(mib), "--threads", str(threads), *more]


def equal_resident(done, mib, limit):
    """The budget with which vswap would keep as much resident as the kernel's limit does."""
    pages = mib * 256
    stored = max(done.stats["slots"]["peak"], 1)
    each = done.stats["peak_pool_bytes"] / stored if "peak_pool_bytes" in done.stats else None
    if each is None:
        return None
    return int(limit + (pages - limit // 4096) * each)


def speed(options):
    results = Results("speed", options)
    mib, limit = options.mib, options.mib // 4 * MIB
    warm_up()
    for threads in (1, 2):
        case = "%d-thread%s" % (threads, "s" if threads > 1 else "")
        command = usemem(threads, mib, "--label", case)
        budget = budget_for(results, case, command, limit)
        results.data["budgets"][case]["mib"] = mib
        for repeat in range(options.repeats):
            results.add(case, "vswap", command, budget, sample=True)
            for variant in variants_for(options):
                if repeat or variant != BASELINES[0]:
                    results.add(case, variant, command, limit)
    results.data["zswap_was_on"] = runner.zswap_was_on()
    results.write()


def zswap(options):
    """Last of all, with vswap beside it again."""
    results = Results("zswap", options)
    mib, limit = options.mib, options.mib // 4 * MIB
    budgets = load(options, "speed").get("budgets", {})
    for threads in (1, 2):
        case = "%d-thread%s" % (threads, "s" if threads > 1 else "")
        command = usemem(threads, mib, "--label", case)
        budget = budgets.get(case, {}).get("vswap_budget_bytes", 3 * limit)
        for _ in range(options.repeats):
            results.add(case, "vswap", command, budget)
            for variant in ZSWAP[:1] if options.quick else ZSWAP:
                results.add(case, variant, command, limit)
    results.write()


def churn(options):
    results = Results("churn", options)
    command = [runner.tool("churn"), "--mib", "512", "--seconds", "1" if options.quick else "2"]
    budget = budget_for(results, "churn", command, 256 * MIB)
    for repeat in range(options.repeats):
        results.add("churn", "vswap", command, budget, sample=True)
        for variant in variants_for(options):
            if repeat or variant != BASELINES[0]:
                results.add("churn", variant, command, 256 * MIB)
    results.write()


def programs_of(options):
    inputs = os.path.join(options.results, "..", "inputs")
    if not os.path.exists(os.path.join(inputs, "queries.sql")):
        subprocess.run([sys.executable, os.path.join(runner.HERE, "programs", "inputs.py"), inputs],
                       check=True)
    compiler = subprocess.run(["gcc", "-print-prog-name=cc1"], stdout=subprocess.PIPE,
                              text=True, check=False).stdout.strip()
    given = {
        "python": ["/usr/bin/python3", os.path.join(runner.HERE, "programs", "heap.py")],
        "sqlite": ["sqlite3", ":memory:", "-init", os.path.join(inputs, "queries.sql"), ".exit"],
        "cc1": [compiler, "-quiet", "-O1", os.path.join(inputs, "big.c"), "-o", "/dev/null"],
        "sort": ["sort", "-S", "1G", os.path.join(inputs, "sort.json")],
        "xz": ["xz", "-9", "-T1", "-k", "-c", os.path.join(inputs, "xz.json")],
    }
    if options.programs:
        given = {name: given[name] for name in options.programs.split(",") if name in given}
    return given


def programs(options):
    results = Results("programs", options)
    for name, command in programs_of(options).items():
        plain = results.add(name, "plain", command, 0)
        if not plain:
            continue
        wanted = plain.measured["anonymous_peak_bytes"]
        limit = wanted // options.fraction // MIB * MIB
        budget = budget_for(results, name, command, limit)
        results.data["budgets"][name]["wanted_bytes"] = wanted
        for repeat in range(options.repeats):
            if repeat:
                results.add(name, "plain", command, 0)
            done = results.add(name, "vswap", command, budget, sample=True)
            if done and done.digest != plain.digest:
                say("FAILED: %s wrote something else under vswap" % name)
                results.data["runs"][-1]["failed"] = "output differs"
            for variant in variants_for(options):
                if repeat or variant != BASELINES[0]:
                    results.add(name, variant, command, limit)
    results.write()


def within(options):
    """Programs whose budget is ample: what does vswap cost them? Pairs, one right after the other."""
    results = Results("within", options)
    chosen = programs_of(options)
    chosen = {name: chosen[name] for name in ("python", "sqlite") if name in chosen}
    chosen["usemem"] = usemem(1, 512, "--phases", "fill,sequential,random-read,random-write")
    for name, command in chosen.items():
        run("plain", command)
        for repeat in range(max(3, 3 * options.repeats)):
            for variant in ("plain", "vswap")[::1 if repeat % 2 else -1]:
                results.add(name, variant, command, 4096 * MIB)
    results.write()


def slowdown(options):
    """The Python heap at budgets from a quarter to all that it wants; equal memory at each."""
    results = Results("slowdown", options)
    command = programs_of(options)["python"]
    alone = results.add("alone", "plain", command, 0)
    wanted = alone.measured["anonymous_peak_bytes"]
    kernel = [name for name in variants_for(options) if name.endswith("pc0")]
    for percent in (50, 80) if options.quick else (30, 40, 50, 60, 70, 80, 90, 100):
        budget = wanted * percent // 100
        for _ in range(min(options.repeats, 3)):
            results.add(str(percent), "vswap", command, budget)
            for variant in kernel:
                limit = limit_for(results, variant, command, wanted, budget)
                results.add(str(percent), variant, command, limit)
    results.write()


def limit_for(results, variant, command, wanted, budget):
    """The cgroup's limit with which limit and pool together are `budget`: the pool's ratio is
    measured once for each variant."""
    ratios = results.data.setdefault("pool_ratio", {})
    if variant not in ratios:
        try:
            tried = run(variant, command, wanted // 2)
            ratios[variant] = (wanted - wanted // 2) / max(tried.measured["pool_peak_bytes"], 1)
        except (Skip, RuntimeError):
            ratios[variant] = 2
    ratio = ratios[variant]
    return max(int((budget - wanted / ratio) / (1 - 1 / ratio)), 24 * MIB)


def load(options, section):
    try:
        with open(os.path.join(options.results, section + ".json"), encoding="utf-8") as file:
            return json.load(file)
    except OSError:
        return {}


def machine():
    model = ""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
    with open("/proc/meminfo", encoding="utf-8") as file:
        memory = int(file.readline().split()[1]) >> 10
    return {"cpu": model, "cpus": os.cpu_count(), "memory_mib": memory,
            "kernel": platform.release(), "virtual": os.path.exists("/sys/hypervisor/type") or
            "hypervisor" in open("/proc/cpuinfo", encoding="utf-8").read(),
            "date": time.strftime("%Y-%m-%d")}


SECTIONS = {
    "speed": speed, "churn": churn, "within": within, "programs": programs,
    "slowdown": slowdown,
    "redis": lambda options: redis_load.section(options, Results, variants_for, say),
    "heaps": lambda options: heaps.section(options, Results, say),
    "overhead": lambda options: overhead.section(options, Results, say),
    "zswap": zswap,
}


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="one repeat, fewer variants")
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--only", default="", help="sections, with commas between")
    parser.add_argument("--programs", default="", help="python,sqlite,cc1,sort,xz")
    parser.add_argument("--mib", type=int, default=1024, help="usemem's data (a quarter resident)")
    parser.add_argument("--fraction", type=int, default=3,
                        help="programs get 1/N of the memory they want")
    parser.add_argument("--results", default=os.path.join(runner.BIN, "results"))
    options = parser.parse_args()
    options.repeats = options.repeats or (1 if options.quick else 5)
    options.sections = options.only.split(",") if options.only else list(SECTIONS)
    for name in options.sections:
        if name not in SECTIONS:
            parser.error("there is no section '%s' (%s)" % (name, ", ".join(SECTIONS)))
    if options.quick and not options.only:
        options.sections.remove("zswap")
    return options


def main():
    options = parse()
    os.makedirs(options.results, exist_ok=True)
    reason = runner.kernel_available(BASELINES[0])
    if reason:
        say(reason + " - vswap runs alone, budgets are guessed")
    if runner.zswap_was_on():
        say("zswap was on since the last reboot: zram with 64 KiB folios is slower than it could be")
    with open(os.path.join(options.results, "machine.json"), "w", encoding="utf-8") as out:
        json.dump(machine(), out)
    for name in options.sections:
        SECTIONS[name](options)


if __name__ == "__main__":
    main()
