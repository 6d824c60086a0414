# SPDX-License-Identifier: MIT
"""The build of a Linux kernel, with which swap is measured most: many short compilers at once.

Debian's linux-source, tinyconfig, `make -jN`, in a quarter of the memory that it wants. What it
wants is measured first: the most anonymous memory that all its processes had at a moment.
"""
import glob
import hashlib
import os
import re
import shutil
import subprocess

import runner
from results import Results, budget_for, kernel_turn, say
from runner import MIB, Skip

# Compilers that fault in turn take many times as long as alone.
TIMEOUT = 1800
REPEATS_MOST = 3
# Many short processes: look for new ones at each sample.
WATCH = ("--every", "20", "--walk", "1")
NEEDS = ("make", "gcc", "flex", "bison", "bc", "tar", "xz")
# The same bytes in every build.
CONSTANT = ["KBUILD_BUILD_TIMESTAMP=2024-01-01", "KBUILD_BUILD_USER=bench",
            "KBUILD_BUILD_HOST=bench", "KBUILD_BUILD_VERSION=1"]


def archive():
    """The newest linux-source that is installed."""
    found = glob.glob("/usr/src/linux-source-*.tar.xz")
    if not found:
        raise Skip("no /usr/src/linux-source-*.tar.xz (apt-get install linux-source)")
    missing = [need for need in NEEDS if not shutil.which(need)]
    if missing:
        raise Skip("the build of a kernel needs %s (apt-get install them)" % ", ".join(missing))
    return max(found, key=lambda path: [int(part) for part in re.findall(r"\d+", path)])


def quietly(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise RuntimeError("%s: %s" % (" ".join(command), runner.one_line(
            done.stdout.decode(errors="replace"), done.returncode)))


class Tree:
    """The sources and one folder for what is built, which each build finds the same."""

    def __init__(self, folder, jobs, targets):
        self.source = os.path.join(folder, "source")
        self.out = os.path.join(folder, "out")
        self.prepared = os.path.join(folder, "prepared")
        self.make = ["make", "-s", "-C", self.source, "O=" + self.out, *CONSTANT]
        self.command = self.make + ["-j%d" % jobs, *targets]

    def unpack(self):
        os.mkdir(self.source)
        say("build: unpacking " + archive())
        quietly(["tar", "-C", self.source, "--strip-components=1", "-xf", archive()])
        quietly(self.make + ["tinyconfig"])
        quietly(self.make + ["-j2", "prepare"])
        os.rename(self.out, self.prepared)

    def renew(self):
        shutil.rmtree(self.out, ignore_errors=True)
        # Times are kept: make must not think that what is prepared is old.
        quietly(["cp", "-a", self.prepared, self.out])

    def digest(self):
        """Of all objects that were built."""
        total = hashlib.sha256()
        for path in sorted(glob.glob(self.out + "/**/*.o", recursive=True)):
            with open(path, "rb") as file:
                total.update(path.encode() + hashlib.sha256(file.read()).digest())
        return total.hexdigest()


def add(results, case, tree, variant, limit, right):
    """One build; `right` is the digest that it must have, or None."""
    done = results.add(case, variant, tree.command, limit, before=tree.renew, timeout=TIMEOUT,
                       watch=WATCH)
    if done and right and tree.digest() != right:
        results.spoil("%s: what was built is not the same" % variant)
    return done


def measure(options, results, folder):
    targets = options.targets.split(",")
    case = " ".join(targets)
    tree = Tree(folder, options.jobs, targets)
    tree.unpack()
    results.data.update(jobs=options.jobs, source=os.path.basename(archive()))
    plain = add(results, case, tree, "plain", 0, None)
    if not plain:
        return
    right = tree.digest()
    wanted = plain.measured["anonymous_peak_bytes"]
    limit = wanted // options.build_fraction // MIB * MIB
    say("build: -j%d %s wants %d MiB" % (options.jobs, case, wanted // MIB))
    budget = budget_for(results, case, tree.command, limit, before=tree.renew, timeout=TIMEOUT,
                        watch=WATCH)
    results.data["budgets"][case]["wanted_bytes"] = wanted
    for repeat in range(min(options.repeats, REPEATS_MOST)):
        if repeat:
            add(results, case, tree, "plain", 0, right)
        add(results, case, tree, "vswap", budget, right)
        for variant in kernel_turn(options, repeat):
            if variant.endswith("-pc0"):
                add(results, case, tree, variant, limit, right)


def section(options):
    results = Results("build", options)
    try:
        archive()
        with runner.temporary() as folder:
            measure(options, results, folder)
    except Skip as reason:
        results.skip("build", reason)
        return
    except RuntimeError as reason:
        results.fail("build", "all", reason)
    results.write()
