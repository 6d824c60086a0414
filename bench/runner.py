# SPDX-License-Identifier: MIT
"""Runs one command plainly, over one of the kernel's swaps, or under vswap, and measures it.

Nothing that is started here outlives this process, however it ends: each command is told by the
kernel when we die (SIGTERM), and kernel-swap puts everything back then. It is in a session of its
own, so that what ends us (Ctrl-C, `timeout -s KILL`) does not end it before it could.
"""
import contextlib
import ctypes
import glob
import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("VSWAP_BUILD", os.path.join(HERE, "..", "build"))
BIN = os.path.join(BUILD, "bench")
VSWAP = os.path.join(BUILD, "vswap")
MIB = 1 << 20
# Nothing here takes longer than this but by hanging.
TIMEOUT = 900
# For kernel-swap to bring everything back.
END_TIMEOUT = 120
# Characters of what a failed command wrote.
ERRORS_MOST = 2000
PR_SET_PDEATHSIG = 1
C_LIBRARY = ctypes.CDLL(None)


class Skip(Exception):
    """A run that this machine cannot do; says why in one line."""


class Endless(RuntimeError):
    """A run that was ended because it took too long; there is no use in trying again."""


def tool(name):
    return os.path.join(BIN, name)


def die_with_parent(parent):
    """SIGTERM for this process when `parent` ends; at once if it has ended already."""
    C_LIBRARY.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def started(command, **how):
    """subprocess.Popen that is ended, and waited for, when its block is left."""
    parent = os.getpid()
    process = subprocess.Popen(command, start_new_session=True,
                               preexec_fn=lambda: die_with_parent(parent), **how)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=END_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()


def sweep():
    """Removes the folders of those that were killed before they could."""
    for folder in glob.glob(os.path.join(tempfile.gettempdir(), "vswap-bench-*-*")):
        owner = os.path.basename(folder).split("-")[2]
        if owner.isdigit() and not os.path.exists("/proc/" + owner):
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def temporary():
    """A folder for the files of one run; its name says whose."""
    folder = tempfile.mkdtemp(prefix="vswap-bench-%d-" % os.getpid())
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def parse_lines(data):
    """The JSON lines that usemem, churn and others here print."""
    lines = [line for line in data.splitlines() if line.startswith((b'{"label"', b'{"phase"'))]
    return [json.loads(line) for line in lines]


class Run:
    """One finished run: `measure`'s object, the output's lines and its digest."""

    def __init__(self, name, measured, output, stats=None, samples=None, notes=()):
        self.name = name
        self.measured = measured
        self.digest = hashlib.sha256(output).hexdigest()
        self.lines = parse_lines(output)
        self.stats = stats
        self.samples = samples
        self.notes = notes

    def as_dict(self):
        return {"variant": self.name, "measured": self.measured, "digest": self.digest,
                "lines": self.lines, "stats": self.stats}


def one_line(text, status):
    """Why a command ended so: the last line it wrote. Never nothing."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "exit status %d without a word" % status


def kernel_available(variant):
    """None, or why not, in one line."""
    done = subprocess.run([os.path.join(HERE, "kernel-swap"), "check", variant], check=False,
                          stderr=subprocess.PIPE, text=True)
    return one_line(done.stderr, done.returncode) if done.returncode else None


def zswap_was_on():
    """Once zswap was on, the kernel brings no large folio in from swap until it is rebooted."""
    return os.path.exists("/sys/kernel/slab/zswap_entry") or \
        os.path.exists("/sys/kernel/debug/zswap")


def zswap_pool_is_in_limit():
    """cgroup v2 counts the compressed pages of zswap in the limit of whose they are; v1 does not."""
    return not os.path.exists("/sys/fs/cgroup/memory/memory.limit_in_bytes")


def _read_json(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def prefix(variant, limit_bytes, folder, sample=False, backend=None, watch=()):
    """The words before the command. `limit_bytes` is the cgroup's limit or vswap's budget; `watch`
    are more options of `measure`."""
    out = os.path.join(folder, "measure.json")
    options = ["--samples", os.path.join(folder, "samples.csv")] if sample else []
    options += watch
    if variant == "plain":
        return [tool("measure"), "--every", "20", "--out", out, *options, "--"]
    if variant == "vswap":
        spec = ["--backend", backend] if backend else []
        return [tool("measure"), "--budget", str(limit_bytes), "--out", out, *options, "--",
                VSWAP, "run", "-q", "-m", str(limit_bytes), "--stats",
                os.path.join(folder, "stats.json"), *spec, "--"]
    return [os.path.join(HERE, "kernel-swap"), variant, str(limit_bytes // MIB), out, *options,
            "--"]


def finish(variant, folder, output, errors=""):
    measured = _read_json(os.path.join(folder, "measure.json"))
    stats = _read_json(os.path.join(folder, "stats.json"))
    samples = os.path.join(folder, "samples.csv")
    if os.path.exists(samples):
        with open(samples, encoding="ascii") as file:
            samples = [tuple(map(float, line.split(","))) for line in file]
    else:
        samples = None
    notes = [line for line in errors.splitlines() if line.startswith("kernel-swap: note: ")]
    return Run(variant, measured, output, stats, samples, notes)


def environment():
    return dict(os.environ, BENCH_BIN=BIN, LC_ALL="C", PYTHONHASHSEED="0")


def run(variant, command, limit_bytes=0, timeout=TIMEOUT, **how):
    """Runs and returns a Run. Raises Skip when this machine cannot, RuntimeError when it fails.
    `how`: what prefix() takes."""
    with temporary() as folder, started(
            prefix(variant, limit_bytes, folder, **how) + list(command),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment()) as done:
        try:
            output, errors = done.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            raise Endless("%s: no end after %d s: %s" %
                          (variant, timeout, " ".join(command))) from None
        text = errors.decode(errors="replace").strip()
        if done.returncode == 77:
            raise Skip(one_line(text, 77))
        if done.returncode:
            raise RuntimeError("%s: exit status %d: %s: %s" % (
                variant, done.returncode, " ".join(command), text[:ERRORS_MOST]))
        return finish(variant, folder, output, text)
