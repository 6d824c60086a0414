# SPDX-License-Identifier: MIT
"""What a section measured, on disk after every run, and what all sections ask for."""
import json
import os
import sys
import time

import runner
from runner import Endless, Skip, run

BASELINES = ["zram-4k-pc0", "zram-4k-pc3"]
FOLIOS = ["zram-64k-pc0", "zram-64k-pc3"]
# The kernel's out-of-memory killer ends a program in a cgroup now and then although there is swap.
KERNEL_TRIES = 4


def say(text):
    print("bench: " + text, file=sys.stderr, flush=True)


class Results:
    """Collects the runs of one section; a variant that cannot run here is left out, with a line."""

    def __init__(self, section, options):
        self.section = section
        self.options = options
        self.data = {"section": section, "repeats": options.repeats, "runs": [], "skipped": {},
                     "notes": []}

    def add(self, case, variant, command, limit, before=None, **how):
        """Runs it and keeps what came of it. `limit` is the kernel's limit or vswap's budget;
        `before` is called before each try and its time is not measured."""
        if variant in self.data["skipped"]:
            return None
        start = time.time()
        done = None
        for _ in range(1 if variant in ("plain", "vswap") else KERNEL_TRIES):
            if before:
                before()
            try:
                done = run(variant, command, limit, **how)
                break
            except Skip as reason:
                self.skip(variant, reason)
                return None
            except Endless as reason:
                self.fail(case, variant, reason)
                break
            except RuntimeError as reason:
                self.fail(case, variant, reason)
        if not done:
            return None
        for note in done.notes:
            self.note(note)
        say("%-10s %-22s %-13s %6.1f s wall %6.1f s CPU" % (
            self.section, case, variant, done.measured["wall_seconds"],
            done.measured["cpu_seconds"]))
        self.keep(dict(done.as_dict(), case=case, limit_bytes=limit, took=time.time() - start))
        return done

    def keep(self, finished):
        self.data["runs"].append(finished)
        self.save()

    def skip(self, variant, reason):
        say("%s: %s left out: %s" % (self.section, variant, reason))
        self.data["skipped"][variant] = str(reason)
        self.save()

    def fail(self, case, variant, reason):
        say("FAILED: %s" % reason)
        self.keep({"case": case, "variant": variant, "failed": str(reason)})

    def spoil(self, reason):
        """The run just kept is not to be counted."""
        say("FAILED: %s" % reason)
        self.data["runs"][-1]["failed"] = reason
        self.save()

    def note(self, text):
        if text not in self.data["notes"]:
            say(text)
            self.data["notes"].append(text)

    def path(self):
        return os.path.join(self.options.results, self.section + ".json")

    def save(self):
        """Whole at any moment: a run of an hour that is ended keeps what it has measured."""
        with open(self.path() + ".new", "w", encoding="utf-8") as out:
            json.dump(self.data, out, indent=0)
        os.replace(self.path() + ".new", self.path())

    def write(self):
        self.save()
        say("wrote " + self.path())


def load(options, section):
    try:
        with open(os.path.join(options.results, section + ".json"), encoding="utf-8") as file:
            return json.load(file)
    except OSError:
        return {}


def variants_for(options):
    kernel = ["zram-4k-pc0", "zram-64k-pc0"] if options.quick else BASELINES + FOLIOS
    return [name for name in kernel if runner.kernel_available(name) is None]


def kernel_turn(options, repeat):
    """The kernel's swaps that a repeat measures: budget_for has been the first one's first."""
    return [name for name in variants_for(options) if repeat or name != BASELINES[0]]


def budget_for(results, case, command, limit, **how):
    """The kernel's limit plus zram's pool, from the section's first run, which is also kept."""
    done = results.add(case, BASELINES[0], command, limit, **how)
    pool = done.measured["pool_peak_bytes"] if done else limit
    results.data.setdefault("budgets", {})[case] = {
        "limit_bytes": limit, "zram_pool_bytes": pool, "vswap_budget_bytes": limit + pool}
    return limit + pool
