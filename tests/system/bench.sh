#!/bin/sh
# SPDX-License-Identifier: MIT
# What the benchmarks turn on in the kernel is off again however they end: swap, cgroup, folios,
# page-cluster. And what has been measured until then is on disk.
. "$(dirname "$0")/lib.sh"

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

# until_state SECONDS WANTED|other: until it is as before, or no longer so.
until_state() {
	tries=$(($1 * 20))
	while :; do
		state >"$work/now"
		if cmp -s "$work/before" "$work/now"; then now=same; else now=other; fi
		[ "$now" != "$2" ] || return 0
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.05
	done
}

# ended NAME SIGNAL PID: ends it once it is at work with all turned on.
ended() {
	if ! until_state 30 other || ! wait_for 30 "$work/out" fill; then
		bad "$1" "it never came to its work" "$work/out"
		kill -KILL "$3"
		return
	fi
	state | diff "$work/before" - >"$work/turned-on"
	kill "-$2" "$3"
	wait "$3" 2>/dev/null
	if until_state 20 same; then
		good "$1: $(grep -c '^>' "$work/turned-on") things are as they were"
	else
		diff "$work/before" "$work/now" >"$work/left"
		bad "$1" "left behind:" "$work/left"
	fi
}

# A program that has filled its memory, and rests.
resting="$BUILD/bench/usemem --mib 96 --phases fill,free --pause 60"

if ! "$root/bench/kernel-swap" check $variant 2>"$work/why"; then
	echo "skip: $(tail -n 1 "$work/why")"
	exit 77
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
if ! wait_for 120 "$work/out" 's wall' || ! until_state 60 other; then
	kill -KILL $run
	bad "a section that is ended" "it never came to its second run" "$work/out"
else
	kill -TERM $run
	wait $run
	status=$?
	if [ $status = 143 ] && [ "$(measured)" -ge 1 ] && until_state 20 same; then
		good "a section that is ended: $(measured) runs kept, all off"
	else
		bad "a section that is ended" "status $status, kept: $(measured)" "$work/out"
	fi
fi
finish
