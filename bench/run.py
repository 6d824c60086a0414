#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The benchmarks of vswap against the kernel's own swaps; `./dev bench` runs this.

    run.py [--quick] [--repeats N] [--only SECTION,...] [--results FOLDER]

Each section writes one JSON file, after every run: what is ended keeps what it has measured, and
leaves no swap, cgroup or setting of the kernel behind.

Equal memory: the kernel's cgroup limit does not count the pool that zram or zswap keep, so vswap's
budget (which counts everything) is the limit plus the pool that zram-lz4 with 4 KiB pages took in
the first run of the same section.
"""
import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time

import forks
import heaps
import kernel_build
import overhead
import redis_load
import runner
import short
from results import BASELINES, Results, budget_for, kernel_turn, load, say, variants_for
from runner import MIB, Skip, run

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ZSWAP = ["zswap-pc0", "zswap-pc3"]


def warm_up():
    """Memory that a virtual machine never used costs more the first time."""
    run("plain", [runner.tool("usemem"), "--mib", "3072", "--phases", "fill,free"])


def usemem(threads, mib, *more):
    return [runner.tool("usemem"), "--mib", str(mib), "--threads", str(threads), *more]


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
            for variant in kernel_turn(options, repeat):
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
        kernel = budget if runner.zswap_pool_is_in_limit() else limit
        for _ in range(options.repeats):
            results.add(case, "vswap", command, budget)
            for variant in ZSWAP[:1] if options.quick else ZSWAP:
                results.add(case, variant, command, kernel)
    results.write()


def churn(options):
    results = Results("churn", options)
    command = [runner.tool("churn"), "--mib", "512", "--seconds", "1" if options.quick else "2"]
    budget = budget_for(results, "churn", command, 256 * MIB)
    for repeat in range(options.repeats):
        results.add("churn", "vswap", command, budget, sample=True)
        for variant in kernel_turn(options, repeat):
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
                results.spoil("%s wrote something else under vswap" % name)
            for variant in kernel_turn(options, repeat):
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
    if not alone:
        return
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


# zswap is the last: it spoils the other variants until the next reboot.
SECTIONS = {
    "speed": (speed, "ns a page of a program that uses memory, one and two threads"),
    "churn": (churn, "mapping, touching, giving back"),
    "within": (within, "what an ample budget costs"),
    "programs": (programs, "Python, SQLite, cc1, sort, xz at a part of what they want"),
    "slowdown": (slowdown, "a Python heap at 30 to 100 % of what it wants"),
    "redis": (redis_load.section, "redis at a part of what it wants"),
    "heaps": (heaps.section, "RAM that the pages of real heaps take"),
    "build": (kernel_build.section, "a kernel build at a quarter of what it wants"),
    "fork": (forks.section, "fork of a process that is mostly swapped out"),
    "short": (short.section, "ten thousand short processes, alone and under pressure"),
    "overhead": (overhead.section, "metadata of a 32 GiB swap"),
    "zswap": (zswap, "speed over zswap"),
}


def parse():
    parser = argparse.ArgumentParser(
        prog="./dev bench", formatter_class=argparse.RawDescriptionHelpFormatter,
        description=__doc__.split("\n", maxsplit=1)[0],
        epilog="sections, in their order:\n" + "\n".join(
            "  %-12s %s" % (name, text) for name, (_, text) in SECTIONS.items()))
    parser.add_argument("--quick", action="store_true", help="one repeat, fewer variants")
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--only", default="", help="sections, with commas between")
    parser.add_argument("--programs", default="", help="python,sqlite,cc1,sort,xz")
    parser.add_argument("--mib", type=int, default=1024, help="usemem's data (a quarter resident)")
    parser.add_argument("--fraction", type=int,
                        help="programs, redis and build get 1/N of what they want (3; build: 4)")
    parser.add_argument("--jobs", type=int, default=8, help="build: make -jN (%(default)s)")
    parser.add_argument("--targets", default="",
                        help="build: what to make, with commas between (vmlinux; --quick: mm/)")
    parser.add_argument("--results", default=os.path.join(runner.BIN, "results"))
    options = parser.parse_args()
    options.repeats = options.repeats or (1 if options.quick else 5)
    options.build_fraction = options.fraction or 4
    options.fraction = options.fraction or 3
    options.targets = options.targets or ("mm/" if options.quick else "vmlinux")
    options.sections = options.only.split(",") if options.only else list(SECTIONS)
    for name in options.sections:
        if name not in SECTIONS:
            parser.error("there is no section '%s' (%s)" % (name, ", ".join(SECTIONS)))
    if options.quick and not options.only:
        options.sections.remove("zswap")
    return options


def end(number, _frame):
    """Blocks that started something end it on their way out; a second signal must not cut in."""
    for name in ENDING:
        signal.signal(name, signal.SIG_IGN)
    sys.exit(128 + number)


def show(options):
    """The tables and plots: of docs/ where everything was measured, else beside the results."""
    docs = os.path.join(runner.HERE, "..", "docs")
    folder = docs if len(sys.argv) == 1 else os.path.join(options.results, "docs")
    page = os.path.join(folder, "benchmarks.md")
    plots = os.path.join(folder, "plots")
    os.makedirs(plots, exist_ok=True)
    if folder != docs:
        shutil.copyfile(os.path.join(docs, "benchmarks.md"), page)
    subprocess.run([sys.executable, os.path.join(runner.HERE, "report.py"), options.results, page],
                   check=True)
    subprocess.run(["sh", os.path.join(runner.HERE, "plot.sh"), options.results, plots],
                   check=True)
    say("tables in %s, plots in %s" % (page, plots))


def main():
    options = parse()
    for name in ENDING:
        signal.signal(name, end)
    os.makedirs(options.results, exist_ok=True)
    runner.sweep()
    reason = runner.kernel_available(BASELINES[0])
    if reason:
        say(reason + " - vswap runs alone, budgets are guessed")
    if runner.zswap_was_on():
        say("zswap was on since the last reboot: zram with 64 KiB folios is slower than it could be")
    with open(os.path.join(options.results, "machine.json"), "w", encoding="utf-8") as out:
        json.dump(machine(), out)
    for name in options.sections:
        try:
            SECTIONS[name][0](options)
        except Skip as reason:
            say("%s left out: %s" % (name, reason))
    show(options)


if __name__ == "__main__":
    main()
