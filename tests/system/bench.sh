#!/bin/sh
# SPDX-License-Identifier: MIT
# What the benchmarks turn on in the kernel is off again however they end: swap, cgroup, folios,
# page-cluster. And what has been measured until then is on disk.
. "$(dirname "$0")/../lib.sh"
need_vswap

folios=/sys/kernel/mm/transparent_hugepage/hugepages-64kB/enabled
variant=zram-4k-pc0
[ ! -e $folios ] || variant=zram-64k-pc0
BENCH_BIN=$BUILD/bench VSWAP_BUILD=$BUILD PYTHONDONTWRITEBYTECODE=1 TMPDIR=$work/tmp
export BENCH_BIN VSWAP_BUILD PYTHONDONTWRITEBYTECODE TMPDIR

# What must be as it was. A cgroup of another run of the benchmarks is not ours to judge.
state() {
	tail -n +2 /proc/swaps | sed 's/[[:space:]].*//'
	cat /proc/sys/vm/page-cluster
	[ ! -e $folios ] || cat $folios
	find /sys/fs/cgroup -maxdepth 2 -type d -name 'vswap-bench.*'
}

# The state is as before: same; or no longer so: other.
state_now() {
	state >"$work/now"
	if cmp -s "$work/before" "$work/now"; then now=same; else now=other; fi
	[ "$now" = "$1" ]
}

# ended NAME SIGNAL PID: ends it once it is at work with all turned on.
ended() {
	if ! wait_for 30 state_now other || ! wait_for 30 says "$work/out" fill; then
		fail "$1" "it never came to its work" "$work/out"
		kill -KILL "$3"
		return
	fi
	state | diff "$work/before" - >"$work/turned-on"
	kill "-$2" "$3"
	wait "$3" 2>/dev/null
	if wait_for 20 state_now same; then
		pass "$1: $(grep -c '^>' "$work/turned-on") things are as they were"
	else
		diff "$work/before" "$work/now" >"$work/left"
		fail "$1" "left behind:" "$work/left"
	fi
}

# A program that has filled its memory, and rests.
resting="$BUILD/bench/usemem --mib 96 --phases fill,free --pause 60"

if ! "$root/bench/kernel-swap" check $variant 2>"$work/why"; then
	skip_all "$(tail -n 1 "$work/why")"
fi
state >"$work/before"

for signal in TERM INT; do
	# As Python starts it: a background command of a shell would ignore SIGINT.
	python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$root/bench/kernel-swap" $variant 48 "$work/measured" -- \
		$resting >"$work/out" 2>&1 &
	ended "kernel-swap, SIG$signal" $signal $!
done

# Nothing stands in the way of this one's end: what it started must see to the rest.
cat >"$work/one.py" <<END
import os, sys
sys.path.insert(0, "$root/bench")
import runner
out = open("$work/out", "wb")
with runner.temporary() as folder, runner.started(
        runner.prefix("$variant", 48 << 20, folder) + "$resting".split(), stdout=out) as process:
    process.wait()
END
for signal in TERM KILL; do
	: >"$work/out"
	python3 "$work/one.py" &
	ended "what started it, SIG$signal" $signal $!
done

# measured: how many runs of the section are on disk, or nothing when it is not JSON.
measured() {
	python3 -c 'import json, sys; print(len(json.load(open(sys.argv[1]))["runs"]))' \
		"$work/results/churn.json" 2>&1
}

python3 "$root/bench/run.py" --quick --only churn --results "$work/results" >"$work/out" 2>&1 &
run=$!
if ! wait_for 120 says "$work/out" 's wall' || ! wait_for 60 state_now other; then
	kill -KILL $run
	fail "a section that is ended" "it never came to its second run" "$work/out"
else
	kill -TERM $run
	wait $run
	status=$?
	if [ $status = 143 ] && [ "$(measured)" -ge 1 ] && wait_for 20 state_now same; then
		pass "a section that is ended: $(measured) runs kept, all off"
	else
		fail "a section that is ended" "status $status, kept: $(measured)" "$work/out"
	fi
fi
finish
