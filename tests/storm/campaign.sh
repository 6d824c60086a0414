#!/bin/sh
# SPDX-License-Identifier: MIT
# Storms of all programs, several at once, one after the other: other seeds, budgets and forms each
# time, with and without a file, half of them with their programs stopped at random. What fails is shown
# with what repeats it. ./dev storm [MINUTES]
#
#   CAMPAIGN_TRACKS   how many at once (one more than there are CPUs)
#   CAMPAIGN_PAGES    that one run checks (150000)
#   CAMPAIGN_SEED     of all that is random
. "$(dirname "$0")/../lib.sh"
need_vswap

minutes=${1:-10}
tracks=${CAMPAIGN_TRACKS:-$(($(nproc) + 1))}
pages=${CAMPAIGN_PAGES:-150000}
seed=${CAMPAIGN_SEED:-$(date +%s)}
end=$(($(date +%s) + minutes * 60))

# one_of COUNT: a number below it, in $one.
one_of() {
	seed=$(((seed * 1103515245 + 12345) % 2147483648))
	one=$((seed / 65536 % $1))
}

# pick WORD...: one of them, in $picked.
pick() {
	one_of $#
	shift "$one"
	picked=$1
}

# stop_at_random OWNER NAME: as a debugger, a terminal or a busy machine does; the agent stands, too.
stop_at_random() {
	while kill -0 "$1" 2>/dev/null; do
		pick 0.02 0.1 0.3
		sleep "$picked"
		target=$(find_named "$1" "$2")
		[ -n "$target" ] || continue
		kill -STOP "$target" 2>/dev/null
		pick 0.001 0.01 0.05
		sleep "$picked"
		kill -CONT "$target" 2>/dev/null
	done
}

# run_one LOG: one storm that was picked.
run_one() {
	pick storm storm/--threads=1 storm/--threads=12 forkstorm forkstorm/--kill forkstorm/--threads=1 \
		areas areas/--threads=16 areas/--blind
	form=$picked
	name=${form%%/*}
	options=$(echo "${form#"$name"}" | tr '/=' '  ')
	pick 16M 20M 24M 32M 48M
	budget=$picked
	pick 32 48 64 96
	mib=$picked
	pick no "$work/tmp"
	file=$picked
	one_of 2
	stopped=$one
	# Where the agent may be stopped between moving a page and marking it, a guard that comes and goes
	# in between is not seen (docs/limits.md).
	[ "$name$stopped" != storm1 ] || options="$options --only -guard,twin"
	program=$BUILD/tests/storm/$name
	[ "$name" != forkstorm ] || program=$BUILD/tests/trees/forkstorm
	[ "$name" = areas ] || options="--mib $mib $options"
	one_of 32768
	its=$((seed + one))
	set -- "$1" run -q -m "$budget" $([ "$file" = no ] || echo "-b file:$file") -- \
		"$program" --pages "$pages" --seed "$its" $options
	log=$1
	shift
	status=0
	timeout -s KILL $((300 + pages / 500)) "$VSWAP" "$@" >"$log.out" 2>&1 &
	run=$!
	if [ "$stopped" = 1 ]; then
		stop_at_random "$run" "$name" &
		stopper=$!
	fi
	wait "$run" || status=$?
	[ "$stopped" = 0 ] || wait "$stopper"
	checked=$(sed -n 's/.*: \([0-9]*\) pages checked.*/\1/p' "$log.out" | tail -n 1)
	if [ "$status" = 0 ] && [ -n "$checked" ]; then
		echo "ok $checked vswap $*" >>"$log"
	else
		echo "failed 0 vswap $*" >>"$log"
		kept=${TMPDIR:-/tmp}/vswap-campaign.$its
		cp "$log.out" "$kept"
		fail "status $status: vswap $*" \
			"$([ "$stopped" = 0 ] || echo "stopped at random; ")all of it: $kept" "$log.out"
	fi
}

# sum WORD: what the tracks say, as $count and $sum.
sum() {
	set -- $(cat "$work"/track.*[0-9] 2>/dev/null |
		awk -v "word=$1" '$1 == word { n++; pages += $2 } END { printf "%d %.0f", n, pages }')
	count=$1 sum=$2
}

need_built "$storm"
for track in $(seq "$tracks"); do
	(
		trap - EXIT
		seed=$((seed + track * 7919))
		while [ "$(date +%s)" -lt "$end" ]; do run_one "$work/track.$track"; done
	) &
	started="$started $!"
done
while [ "$(date +%s)" -lt "$end" ]; do
	sleep 10
	sum ok
	[ ! -t 1 ] || printf '\r%d storms, %d pages, %d s left ' "$count" "$sum" $((end - $(date +%s)))
done
wait
[ ! -t 1 ] || echo
sum failed
failed=$count
sum ok
passed=$count
echo "$sum pages checked in $passed storms that were right"
finish
