#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes the tables of docs/benchmarks.md between its markers, from the JSON of bench/run.py.

    report.py RESULTS_FOLDER BENCHMARKS.md

`<!-- begin NAME -->` and `<!-- end NAME -->` enclose what is replaced; a section without results
is left as it is.
"""
import json
import math
import os
import re
import statistics
import sys

MIB = 1 << 20
PHASES = ["fill", "sequential", "random-read", "random-write", "free"]
GOALS = {"fill": 2, "sequential": 5, "random-read": 1.4, "random-write": 1.2}


class Section:
    """The runs of one section, by case and variant."""

    def __init__(self, folder, name):
        try:
            with open(os.path.join(folder, name + ".json"), encoding="utf-8") as file:
                self.data = json.load(file)
        except OSError:
            self.data = None
        self.runs = [run for run in (self.data or {}).get("runs", []) if not run.get("failed")]
        self.failed = [run for run in (self.data or {}).get("runs", []) if run.get("failed")]

    def __bool__(self):
        return self.data is not None

    def cases(self):
        return list(dict.fromkeys(run["case"] for run in self.runs))

    def variants(self):
        return list(dict.fromkeys(run["variant"] for run in self.runs))

    def of(self, case, variant):
        return [run for run in self.runs if run["case"] == case and run["variant"] == variant]

    def measured(self, case, variant, field):
        return [run["measured"][field] for run in self.of(case, variant)]

    def lines(self, case, variant, phase, field):
        names = ("sequential", "sequential-2") if phase == "sequential" else (phase,)
        return [line[field] for run in self.of(case, variant) for line in run["lines"]
                if line["phase"] in names and field in line]


def spread(values, form="%.0f"):
    """Median, and lowest to highest."""
    if not values:
        return "–"
    middle = form % statistics.median(values)
    if len(values) < 2:
        return middle
    return "%s (%s–%s)" % (middle, form % min(values), form % max(values))


def median(values):
    return statistics.median(values) if values else None


def ratio(a, b, form="%.2f"):
    return form % (a / b) if a and b else "–"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def kernel_of(*sections):
    names = [name for section in sections if section for name in section.variants()]
    return [name for name in dict.fromkeys(names) if name not in ("vswap", "plain")]


def in_order(section):
    """All variants: alone first, then vswap."""
    return [name for name in ("plain", "vswap") if name in section.variants()] + \
        kernel_of(section)


def baseline(values):
    """zram-lz4 with 4 KiB pages: the better of the two page-clusters."""
    return min((value for name, value in values.items() if name.startswith("zram-4k") and value),
               default=None)


def best(values):
    return min((value for value in values.values() if value), default=None)


def speed(folder):
    section, late = Section(folder, "speed"), Section(folder, "zswap")
    if not section:
        return None
    kernel = kernel_of(section, late)
    rows = []
    for case in section.cases():
        for phase in PHASES:
            lists = {name: section.lines(case, name, phase, "ns_per_page") or
                     late.lines(case, name, phase, "ns_per_page") for name in kernel}
            ours = section.lines(case, "vswap", phase, "ns_per_page")
            medians = {name: median(values) for name, values in lists.items()}
            rows.append([phase, case, spread(ours)] + [spread(lists[name]) for name in kernel] +
                        [ratio(baseline(medians), median(ours)), ratio(best(medians), median(ours))])
    return table(["work", "threads", "vswap"] + kernel +
                 ["× zram 4 KiB", "× best"], rows) + "\n\n" + budgets(section)


def budgets(section):
    rows = []
    for case, budget in section.data.get("budgets", {}).items():
        ours = section.of(case, "vswap")
        over = [run["measured"]["anonymous_peak_after_1s_bytes"] / run["limit_bytes"] * 100 - 100
                for run in ours if run["measured"]["anonymous_peak_after_1s_bytes"]]
        whole = [run["measured"]["anonymous_peak_bytes"] / MIB for run in ours]
        rows.append([case, "%d" % (budget["limit_bytes"] / MIB),
                     "%d" % (budget["zram_pool_bytes"] / MIB),
                     "%d" % (budget["vswap_budget_bytes"] / MIB), spread(whole),
                     spread(over, "%+.1f %%")])
    return table(["MiB", "kernel's limit", "zram's pool beside it", "vswap's budget",
                  "vswap's peak, program and owner", "over the budget after 1 s"], rows)


def faults(folder):
    section, late = Section(folder, "speed"), Section(folder, "zswap")
    if not section:
        return None
    rows = []
    for case in section.cases():
        for phase in ("random-read", "random-write"):
            for name in ["vswap"] + kernel_of(section, late):
                source = section if section.of(case, name) else late
                cells = [median(source.lines(case, name, phase, "fault_p%s_ns" % part))
                         for part in ("50", "99", "999")]
                if cells[0]:
                    rows.append([phase, case, name] + ["%.1f" % (cell / 1000) for cell in cells])
    return table(["work", "threads", "", "median, µs", "99 %", "99.9 %"], rows)


def cpu(folder):
    section, late = Section(folder, "speed"), Section(folder, "zswap")
    if not section:
        return None
    rows = []
    for case in section.cases():
        ours = section.measured(case, "vswap", "cpu_seconds")
        for name in ["vswap"] + kernel_of(section, late):
            source = section if section.of(case, name) else late
            values = source.measured(case, name, "cpu_seconds")
            rows.append([case, name, spread(source.measured(case, name, "wall_seconds"), "%.2f"),
                         spread(values, "%.2f"), ratio(median(ours), median(values))])
    return table(["threads", "", "wall, s", "CPU, s", "vswap's CPU / this"], rows)


def churn(folder):
    section = Section(folder, "churn")
    if not section:
        return None
    kernel = kernel_of(section)
    rows = []
    for phase in ("churn-map", "churn-advise", "churn-heap"):
        lists = {name: section.lines("churn", name, phase, "ns_per_page") for name in kernel}
        ours = section.lines("churn", "vswap", phase, "ns_per_page")
        rows.append([phase[6:], spread(ours)] + [spread(lists[name]) for name in kernel] + [
            ratio(best({name: median(values) for name, values in lists.items()}), median(ours))])
    return table(["work, ns a page", "vswap"] + kernel + ["× best"], rows)


def programs(folder):
    section, load = Section(folder, "programs"), Section(folder, "redis")
    if not section and not load:
        return None
    rows, walls, cpus = [], [], []
    kernel = kernel_of(section, load)
    for source in (section, load):
        for case in source.cases() if source else []:
            row = program_row(source, case, kernel)
            walls.append(row.pop())
            cpus.append(row.pop())
            rows.append(row)
    rows.append(["**geometric mean**"] + [""] * (4 + len(kernel)) +
                ["**%s**" % mean(walls), "**%s**" % mean(cpus)])
    return killed(section, load) + table(["program", "wants, MiB", "limit / vswap's budget", "alone, s", "vswap, s"] +
                 [name + ", s" for name in kernel] + ["× best", "CPU / best's CPU"], rows)


def killed(*sections):
    """One line on runs that ended badly, whoever's they were."""
    counts = {}
    for source in sections:
        for run in source.failed if source else []:
            what = "%s over %s" % (run["case"], run["variant"])
            counts[what] = counts.get(what, 0) + 1
    if not counts:
        return ""
    return "Runs that did not end well (in a cgroup: ended by the kernel's out-of-memory killer), " \
        "and are not in the medians: %s.\n\n" % ", ".join(
            "%s %d" % item for item in counts.items())


def mean(values):
    values = [value for value in values if value]
    return "%.2f" % math.exp(sum(map(math.log, values)) / len(values)) if values else "–"


def program_row(source, case, kernel):
    """The cells of a row; then, to be taken off its end, CPU ratio and speed-up as numbers."""
    def seconds(name):
        return source.lines(case, name, "redis", "seconds") or \
            source.measured(case, name, "wall_seconds")

    walls = {name: median(seconds(name)) for name in kernel}
    cpus = {name: median(source.measured(case, name, "cpu_seconds")) for name in kernel}
    ours = median(seconds("vswap"))
    our_cpu = median(source.measured(case, "vswap", "cpu_seconds"))
    budget = source.data["budgets"].get(case, {})
    faster = best(walls) / ours if ours and best(walls) else None
    busier = our_cpu / best(cpus) if our_cpu and best(cpus) else None
    return [case, "%d" % (budget.get("wanted_bytes", 0) / MIB), "%d / %d" % (
        budget.get("limit_bytes", 0) / MIB, budget.get("vswap_budget_bytes", 0) / MIB),
            spread(seconds("plain"), "%.2f"), spread(seconds("vswap"), "%.2f")] + [
                spread(seconds(name), "%.2f") for name in kernel] + [
                    ratio(best(walls), ours), ratio(our_cpu, best(cpus)), busier, faster]


def within(folder):
    section = Section(folder, "within")
    if not section:
        return None
    rows = []
    for case in section.cases():
        for field, what in (("wall_seconds", "wall"), ("cpu_seconds", "CPU")):
            plain = section.measured(case, "plain", field)
            ours = section.measured(case, "vswap", field)
            if plain and ours:
                rows.append([case, what, spread(plain, "%.3f"), spread(ours, "%.3f"), "%+.2f %%" % (
                    (median(ours) / median(plain) - 1) * 100)])
    return table(["program", "s", "alone", "under vswap, ample budget", "slower"], rows)


def heaps(folder):
    section = Section(folder, "heaps")
    if not section:
        return None
    rows = []
    for heap in section.data["heaps"]:
        zram = heap.get("zram_ratio")
        for field, value in heap.items():
            if field.startswith("vswap_ratio_"):
                rows.append([heap["heap"], "%.2f" % zram if zram else "–", field[12:-1],
                             "%.2f" % value, ratio(zram, value)])
    return table(["heap", "zram-lz4's ratio", "seconds of rest", "vswap's ratio",
                  "RAM, vswap / zram"], rows)


def build(folder):
    section = Section(folder, "build")
    if not section:
        return None
    rows = []
    for case in section.cases():
        budget = section.data.get("budgets", {}).get(case, {})
        plain = median(section.measured(case, "plain", "wall_seconds"))
        for name in in_order(section):
            memory = {"plain": budget.get("wanted_bytes"),
                      "vswap": budget.get("vswap_budget_bytes")}.get(
                          name, budget.get("limit_bytes"))
            walls = section.measured(case, name, "wall_seconds")
            took = [a + b for a, b in zip(section.measured(case, name, "anonymous_peak_bytes"),
                                          section.measured(case, name, "pool_peak_bytes"))]
            rows.append(["-j%d %s" % (section.data["jobs"], case), name,
                         "%d" % (memory / MIB) if memory else "–",
                         spread([peak / MIB for peak in took]), spread(walls, "%.1f"),
                         spread(section.measured(case, name, "user_seconds"), "%.1f"),
                         spread(section.measured(case, name, "system_seconds"), "%.1f"),
                         ratio(median(walls), plain)])
    return killed(section) + table(
        ["make", "", "wants / budget / limit, MiB", "took, pool too, MiB", "wall, s", "user, s", "system, s",
         "wall / plain"], rows)


def fork(folder):
    section = Section(folder, "fork")
    if not section:
        return None
    rows = []
    for case in section.cases():
        for name in in_order(section):
            def of(field, case=case, name=name):
                return section.lines(case, name, "fork", field)
            out = [a / b * 100 for a, b in zip(of("swapped_bytes"), of("bytes"))]
            rows.append([case, name, spread(out)] + [
                spread([value / scale for value in of(field)], form) for field, scale, form in (
                    ("fork_ns", 1e6, "%.2f"), ("child_bytes", 1024, "%.0f"),
                    ("owner_bytes", 1024, "%.0f"), ("child_read_ns", 1000, "%.1f"))])
    return killed(section) + table(
        ["data", "", "swapped out, %", "fork(), ms", "child's page tables, KiB",
         "owner more, KiB", "child's random read, µs"], rows)


def short(folder):
    section = Section(folder, "short")
    if not section:
        return None
    rows = []
    for case in sorted(section.cases()):
        plain = median(section.lines(case, "plain", "spawn", "ns_each"))
        for name in in_order(section):
            each = section.lines(case, name, "spawn", "ns_each")
            touches = section.lines(case, name, "spawn", "touches_per_second")
            if each:
                rows.append([case, name, spread([value / 1000 for value in each]),
                             ratio(median(each), plain),
                             spread(touches) if any(touches) else "–"])
    return killed(section) + table(
        ["", "", "µs a process", "/ plain", "touches a second of the large process"], rows)


KERNEL_OVERHEAD = {"ram": ((25, 0), (57, 48.25), (89, 96.5), (121, 144.75), (153, 193)),
                   "disk": ((25, 2), (41, 66.25), (57, 130.5), (73, 194.75), (89, 259))}


def overhead(folder):
    section = Section(folder, "overhead")
    if not section:
        return None
    rows = []
    for kind in ("ram", "disk"):
        for index, row in enumerate(section.data.get(kind, [])):
            part = 100 * row["used"] / row["slots"]
            scale = 8388608 / row["slots"]
            before, virtual = KERNEL_OVERHEAD[kind][index]
            rows.append(["compressed RAM" if kind == "ram" else "disk", "%d %%" % part, before,
                         virtual, "%.1f" % (row["overhead_bytes"] / MIB * scale),
                         "%.2f" % (row["overhead_bytes"] / row["used"]) if row["used"] else "–",
                         "%.1f" % (row["header_bytes"] / row["used"]) if row["used"] else "–"])
    return table(["", "slots in use", "kernel before, MB", "kernel virtual, MB", "vswap, MiB",
                  "bytes a slot", "headers in the segments, bytes a slot"], rows)


def machine(folder):
    try:
        with open(os.path.join(folder, "machine.json"), encoding="utf-8") as file:
            it = json.load(file)
    except OSError:
        return None
    return "%s, %d CPUs, %d MiB%s, Linux %s, %s." % (
        it["cpu"], it["cpus"], it["memory_mib"], ", a virtual machine" if it["virtual"] else "",
        re.sub(r"^(\d+\.\d+\.\d+).*", r"\1", it["kernel"]), it["date"])


def main():
    folder, path = sys.argv[1:3]
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for make in (machine, speed, faults, cpu, churn, programs, within, build, fork, short, heaps,
                 overhead):
        made = make(folder)
        if made is None:
            continue
        text = re.sub(r"(<!-- begin %s -->\n).*?(<!-- end %s -->)" % (make.__name__, make.__name__),
                      lambda found, made=made: found[1] + made + "\n" + found[2], text,
                      flags=re.DOTALL)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main()
