# SPDX-License-Identifier: MIT
"""Runs one command plainly, over one of the kernel's swaps, or under vswap, and measures it."""
import hashlib
import json
import os
import shutil
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("VSWAP_BUILD", os.path.join(HERE, "..", "build"))
BIN = os.path.join(BUILD, "bench")
VSWAP = os.path.join(BUILD, "vswap")
MIB = 1 << 20
# Nothing here takes longer than this but by hanging.
TIMEOUT = 900


class Skip(Exception):
    """A run that this machine cannot do; says why."""


def tool(name):
    return os.path.join(BIN, name)


def parse_lines(data):
    """The JSON lines that usemem and churn print."""
    lines = [line for line in data.splitlines() if line.startswith((b'{"label"', b'{"phase"'))]
    return [json.loads(line) for line in lines]


class Run:
    """One finished run: `measure`'s object, the output's lines and its digest."""

    def __init__(self, name, measured, output, stats=None, samples=None):
        self.name = name
        self.measured = measured
        self.digest = hashlib.sha256(output).hexdigest()
        self.lines = parse_lines(output)
        self.stats = stats
        self.samples = samples

    def as_dict(self):
        return {"variant": self.name, "measured": self.measured, "digest": self.digest,
                "lines": self.lines, "stats": self.stats}


def kernel_available(variant):
    """None, or why not."""
    done = subprocess.run([os.path.join(HERE, "kernel-swap"), "check", variant],
                          stderr=subprocess.PIPE, text=True)
    return done.stderr.strip() if done.returncode else None


def zswap_was_on():
    """Once zswap was on, the kernel brings no large folio in from swap until it is rebooted."""
    return os.path.exists("/sys/kernel/slab/zswap_entry") or \
        os.path.exists("/sys/kernel/debug/zswap")


def _read_json(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def prefix(variant, limit_bytes, folder, sample=False, backend=None):
    """The words before the command. `limit_bytes` is the cgroup's limit or vswap's budget."""
    out = os.path.join(folder, "measure.json")
    options = ["--samples", os.path.join(folder, "samples.csv")] if sample else []
    if variant == "plain":
        return [tool("measure"), "--every", "20", "--out", out, *options, "--"]
    if variant == "vswap":
        spec = ["--backend", backend] if backend else []
        return [tool("measure"), "--budget", str(limit_bytes), "--out", out, *options, "--",
                VSWAP, "run", "-q", "-m", str(limit_bytes), "--stats",
                os.path.join(folder, "stats.json"), *spec, "--"]
    return [os.path.join(HERE, "kernel-swap"), variant, str(limit_bytes // MIB), out, *options,
            "--"]


def finish(variant, folder, output):
    measured = _read_json(os.path.join(folder, "measure.json"))
    stats = _read_json(os.path.join(folder, "stats.json"))
    samples = os.path.join(folder, "samples.csv")
    if os.path.exists(samples):
        with open(samples, encoding="ascii") as file:
            samples = [tuple(map(float, line.split(","))) for line in file]
    else:
        samples = None
    return Run(variant, measured, output, stats, samples)


def environment():
    return dict(os.environ, BENCH_BIN=BIN, LC_ALL="C", PYTHONHASHSEED="0")


def run(variant, command, limit_bytes=0, sample=False, backend=None):
    """Runs and returns a Run. Raises Skip when this machine cannot, RuntimeError when it fails."""
    folder = tempfile.mkdtemp(prefix="vswap-bench-")
    try:
        with open(os.devnull, "rb") as nothing:
            done = subprocess.Popen(
                prefix(variant, limit_bytes, folder, sample, backend) + list(command),
                stdin=nothing, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
            try:
                output, errors = done.communicate(timeout=TIMEOUT)
            except subprocess.TimeoutExpired:
                done.terminate()
                done.communicate(timeout=60)
                raise RuntimeError("%s: no end after %d s: %s" %
                                   (variant, TIMEOUT, " ".join(command))) from None
        text = errors.decode(errors="replace").strip()
        if done.returncode == 77:
            raise Skip(text)
        if done.returncode:
            raise RuntimeError("%s: exit status %d: %s: %s" %
                               (variant, done.returncode, " ".join(command), text))
        return finish(variant, folder, output)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
