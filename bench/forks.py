# SPDX-License-Identifier: MIT
"""fork of a process whose data is swapped out for the most part: time, and memory it takes."""
import runner
from results import Results, budget_for, kernel_turn, say
from runner import MIB

# Of the data, as the kernel's limit: little, so that most is out with equal memory too.
FRACTION = 16
FORKS = 10


def section(options):
    results = Results("fork", options)
    mib = 256 if options.quick else 1024
    command = [runner.tool("forktime"), "--mib", str(mib), "--pattern", "text", "--forks",
               str(FORKS)]
    limit = mib // FRACTION * MIB
    case = "%d MiB" % mib

    def add(variant, limit):
        done = results.add(case, variant, command, limit)
        if done:
            line = done.lines[0]
            say("fork       %-13s %3d %% swapped out, %.2f ms a fork" % (
                variant, 100 * line["swapped_bytes"] // line["bytes"], line["fork_ns"] / 1e6))

    budget = budget_for(results, case, command, limit)
    for repeat in range(options.repeats):
        add("plain", 0)
        add("vswap", budget)
        for variant in kernel_turn(options, repeat):
            add(variant, limit)
    results.write()
