#!/bin/sh
# SPDX-License-Identifier: MIT
# The budget holds: RssAnon of the program, the owner and all that they started, looked at each 5 ms
# while the program fills and frees memory as fast as it can, is from the first second of
# pressure on never more than a twentieth above the budget.
. "$(dirname "$0")/../lib.sh"
need_vswap

measure=$BUILD/bench/measure
pressure=$BUILD/tests/system/pressure
seconds=${BUDGET_SECONDS:-5}
overshoot_percent=5

measured() {
	sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" "$work/figures"
}

# press MIB HOW KEPT OPTIONS: runs it; sets $peak and $over. False: it did not end well.
press() {
	mib=$1 how=$2 kept=$3
	shift 3
	limit=$((mib << 20))
	timeout -s KILL 150 "$measure" --every 5 --budget "$limit" --out "$work/figures" \
		--samples "$work/samples" -- "$VSWAP" run -q -m "${mib}M" "$@" -- \
		"$pressure" "$how" "$kept" "$seconds" >"$work/out" 2>&1
	status=$?
	[ "$status" = 0 ] && grep -q right "$work/out" || return 1
	peak=$(measured anonymous_peak_after_1s_bytes)
	over=$(awk -v peak="$peak" -v limit="$limit" 'BEGIN { printf "%.1f", 100 * (peak / limit - 1) }')
}

# holds NAME MIB HOW KEPT OPTIONS: a budget of MIB for a program that keeps KEPT MiB. Another job of the
# machine may take the CPU away for a moment: three tries.
holds() {
	name=$1
	shift
	for try in 1 2 3; do
		if ! press "$@"; then
			fail "$name" "status $status" "$work/out"
			return
		fi
		said="peak $((peak >> 10)) KiB, $over % over, $(measured samples) samples, $(grep -o '[0-9]* MiB' "$work/out")"
		if [ "$peak" = 0 ]; then
			fail "$name" "it never came under pressure for a second: nothing was tried"
			return
		fi
		if [ "$peak" -le $((limit + limit / 100 * overshoot_percent)) ]; then
			pass "$name: $said"
			return
		fi
		echo "      try $try: $said; seconds,anonymous,resident of the ten highest samples:"
		sort -t, -k2 -nr "$work/samples" | head -n 10 | sed 's/^/      /'
	done
	fail "$name" "$said"
}

# What was written with --stats.
stats() {
	sed -n "s/^ *\"$1\": *\([^,]*\),*$/\1/p" "$work/stats" | head -n 1
}

# immobile KIND MIB STEPS OPTIONS: its milliseconds in $took.
immobile() {
	kind=$1 mib=$2 steps=$3
	shift 3
	began=$(date +%s%N)
	timeout -s KILL 150 "$VSWAP" run --stats "$work/stats" "$@" -- "$BUILD/tests/system/immobile" \
		"$kind" "$mib" "$steps" >"$work/out" 2>&1
	status=$?
	took=$((($(date +%s%N) - began) / 1000000))
	[ "$status" = 0 ] && grep -q right "$work/out"
}

# What cannot leave is told apart, is not tried over and over, and holds up nobody.
stays() {
	name="read-only memory above the budget"
	if ! immobile plain 64 20000 -m 24M; then
		fail "$name" "as plain memory: status $status" "$work/out"
		return
	fi
	plain=$took
	if ! immobile readonly 64 20000 -m 24M; then
		fail "$name" "status $status" "$work/out"
	elif [ "$(stats fixed_peak_bytes)" -lt $((24 << 20)) ]; then
		fail "$name" "fixed: $(stats fixed_peak_bytes) bytes" "$work/out"
	elif [ "$(stats refused)" -gt 40000 ]; then
		fail "$name" "refused $(stats refused) times" "$work/out"
	elif ! grep -q "could not leave" "$work/out"; then
		fail "$name" "the last lines do not say it" "$work/out"
	elif [ "$took" -gt $((3 * plain + 10000)) ]; then
		fail "$name" "$took ms, as plain memory $plain"
	else
		pass "$name: $took ms, as plain memory $plain, refused $(stats refused) times"
	fi
}

# reaches NAME KIND STEPS FIGURE MIB WHAT: of 64 MiB of that kind, so much is in the figure, and right.
reaches() {
	if ! immobile "$2" 64 "$3" -m 24M; then
		fail "$1" "status $status" "$work/out"
	elif [ "$(stats "$4")" -lt $(($5 << 20)) ]; then
		fail "$1" "only $(stats "$4") bytes $6" "$work/out"
	else
		pass "$1: $(($(stats "$4") >> 20)) MiB $6"
	fi
}

# Pages of a private file mapping are in no region of ours: they stay, and are counted apart.
file_stays() {
	reaches "pages of a private file mapping" file 20000 fixed_peak_bytes 48 "cannot leave"
}

# Memory that is executable, too, leaves as any other.
code_leaves() {
	reaches "executable memory" code 5000 swapped_out 32 left
}

# What would do is said, and not much is done in vain.
cannot_be_met() {
	name="a budget that cannot be met"
	if ! immobile noise 64 20000 -m 24M; then
		fail "$name" "status $status" "$work/out"
		return
	fi
	need=$(sed -n 's/.*cannot be met: the job needs about \([0-9]*\) MiB.*/\1/p' "$work/out")
	cpu=$(awk -v cpu="$(stats cpu_seconds)" -v all="$(stats seconds)" 'BEGIN { print int(100 * cpu / all) }')
	if [ "${need:-0}" -lt 60 ] || [ "$need" -gt 80 ]; then
		fail "$name" "it says ${need:-nothing}" "$work/out"
	elif [ "$cpu" -gt 60 ]; then
		fail "$name" "$cpu % of a CPU in vain" "$work/out"
	else
		pass "$name: needs $need MiB, $cpu % of a CPU"
	fi
}

# A process of the job behind an owner: its first process is the last of the family.
is_paged() {
	first=
	for one in $(family "$1"); do
		! name_is "$one" immobile || first=$one
	done
	"$VSWAP" stat "${first:-0}" 2>/dev/null | grep -q ' immobile .* paged$'
}

# Processes that are too small each, and together above the budget.
small_ones() {
	name="many small processes"
	mkfifo "$work/input"
	timeout -s KILL 150 "$VSWAP" run -m 80M --backend "file:$work/tmp" -- \
		"$BUILD/tests/system/immobile" apart 100 100 <"$work/input" >"$work/out" 2>&1 &
	owner=$! started="$started $!"
	exec 7>"$work/input"
	seen=no
	wait_for 5 is_paged "$owner" && seen=yes
	exec 7>&-
	wait "$owner"
	status=$?
	if [ "$status" != 0 ] || ! grep -q right "$work/out"; then
		fail "$name" "status $status" "$work/out"
	elif [ "$seen" = no ]; then
		fail "$name" "none was paged" "$work/out"
	else
		pass "$name"
	fi
}

need_built "$measure" "$pressure"
# Fresh mappings that are filled faster than they can be registered pass it by more.
for how in area mappings; do
	[ $how = area ] || overshoot_percent=8
	holds "$how, in RAM alone" 64 $how 96
	holds "$how, with a file" 64 $how 192 --backend "file:$work/tmp"
done
# Tables must not take what the pages leave: as large as those, they are 50 % above it at least.
overshoot_percent=25
holds "one page in each 2 MiB" 32 thin 48 --backend "file:$work/tmp"
stays
file_stays
code_leaves
cannot_be_met
small_ones
finish
