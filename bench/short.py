# SPDX-License-Identifier: MIT
"""Ten thousand short processes: what does it cost them to run under vswap?

alone   they are all that there is; vswap only watches
beside  a process of the same tree is over its budget all the while
"""
import runner
from results import Results, budget_for, kernel_turn, say
from runner import MIB

# As often for all variants: looking costs these processes time.
WATCH = ("--every", "20")


def section(options):
    results = Results("short", options)
    count, mib = (1000, 128) if options.quick else (10000, 512)
    limit = mib // 4 * MIB
    command = [runner.tool("spawn"), "--count", str(count)]
    pressed = command + ["--mib", str(mib)]

    def add(case, variant, command, limit):
        done = results.add(case, variant, command, limit, watch=WATCH)
        if done:
            say("short      %-7s %-13s %.0f us each" % (case, variant,
                                                       done.lines[0]["ns_each"] / 1000))

    budget = budget_for(results, "beside", pressed, limit, watch=WATCH)
    for repeat in range(options.repeats):
        # Turn by turn, so that neither is always the first.
        for variant in ("plain", "vswap")[::1 if repeat % 2 else -1]:
            add("alone", variant, command, 1024 * MIB)
        for variant in ("plain", "vswap")[::1 if repeat % 2 else -1]:
            add("beside", variant, pressed, budget)
        for variant in kernel_turn(options, repeat):
            add("beside", variant, pressed, limit)
    results.write()
