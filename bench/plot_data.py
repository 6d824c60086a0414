#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Turns the results' JSON into the columns that plot.sh draws: plot_data.py RESULTS DATA."""
import os
import sys

from report import KERNEL_OVERHEAD, MIB, PHASES, Section, best, kernel_of, median


def write(folder, name, lines):
    if lines:
        with open(os.path.join(folder, name + ".dat"), "w", encoding="ascii") as out:
            out.write("\n".join(lines) + "\n")


def short(name):
    return {"zram-4k": "zram, 4 KiB", "zram-64k": "zram, 64 KiB"}.get(name, name)


def speed(results):
    """One column for vswap and for each kind of swap: the better of its two page-clusters."""
    section, late = Section(results, "speed"), Section(results, "zswap")
    case = "1-thread"
    if not section or case not in section.cases():
        return []
    kinds = list(dict.fromkeys(name.rsplit("-pc", 1)[0] for name in kernel_of(section, late)))
    lines = ["work vswap " + " ".join('"%s"' % short(kind) for kind in kinds)]
    for phase in PHASES:
        cells = [median(section.lines(case, "vswap", phase, "ns_per_page"))]
        for kind in kinds:
            cells.append(best({name: median(
                section.lines(case, name, phase, "ns_per_page") or
                late.lines(case, name, phase, "ns_per_page"))
                for name in kernel_of(section, late) if name.startswith(kind + "-pc")}))
        lines.append(phase + " " + " ".join("%.0f" % (cell or 0) for cell in cells))
    return lines


def latency(results):
    """variant, microseconds, share of the faults that took longer."""
    section, late = Section(results, "speed"), Section(results, "zswap")
    lines = []
    for name in ["vswap"] + [name for name in kernel_of(section, late) if name.endswith("pc0")]:
        counts = {}
        source = section if section.of("1-thread", name) else late
        for histogram in source.lines("1-thread", name, "random-read", "fault_histogram"):
            for time, count in histogram:
                counts[time] = counts.get(time, 0) + count
        total = left = sum(counts.values())
        for time in sorted(counts):
            left -= counts[time]
            if left:
                lines.append("%s %.3f %.8f" % (name, time / 1000, left / total))
    return lines


def held(section, case, name):
    """Whether the budget was kept; without a file, what does not fit stays above it."""
    budget = median(section.measured(case, name, "budget_bytes"))
    return not budget or median(
        section.measured(case, name, "anonymous_peak_after_1s_bytes")) <= 1.05 * budget


def slowdown(results):
    section = Section(results, "slowdown")
    if not section:
        return []
    alone = median(section.measured("alone", "plain", "wall_seconds"))
    lines = []
    for name in section.variants():
        for case in section.cases():
            times = section.measured(case, name, "wall_seconds")
            if name != "plain" and times and held(section, case, name):
                lines.append("%s %s %.3f" % (name, case, median(times) / alone))
    return lines


def overhead(results):
    section = Section(results, "overhead")
    lines = []
    for index in range(len(section.data["ram"]) if section else 0):
        cells = []
        for kind in ("ram", "disk"):
            row = section.data[kind][index]
            cells.append(row["overhead_bytes"] / MIB * 8388608 / row["slots"])
        ram, disk = KERNEL_OVERHEAD["ram"][index], KERNEL_OVERHEAD["disk"][index]
        lines.append("%d %.2f %.2f %g %g %g %g" % (25 * index, *cells, *ram, *disk))
    return lines


def main():
    results, data = sys.argv[1:3]
    for make in (speed, latency, slowdown, overhead):
        write(data, make.__name__, make(results))


if __name__ == "__main__":
    main()
