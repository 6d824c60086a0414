#!/bin/sh
# SPDX-License-Identifier: MIT
# Every hazard under vswap with a tiny budget. HAZARDS names some (default: all), HAZARD_MEMORY
# the budget.
. "$(dirname "$0")/../lib.sh"
need_vswap

HAZARD_SWAPPED=1
export HAZARD_SWAPPED
budget=${HAZARD_MEMORY:-16M}

# Two at a time; each leaves its status in a file.
one() {
	timeout -s KILL 120 "$VSWAP" run -q -m "$budget" -- "$2" >"$work/$1.out" 2>&1
	echo $? >"$work/$1.status"
}

show() {
	status=$(cat "$work/$1.status")
	case $status in
	0) pass "hazard $1" ;;
	77) skip "hazard $1" "$(grep -m 1 '^skip:' "$work/$1.out" | cut -c 7-)" ;;
	137 | 142) fail "hazard $1" "hangs, or was killed ($status)" "$work/$1.out" ;;
	*) fail "hazard $1" "status $status" "$work/$1.out" ;;
	esac
}

names=
for program in "$BUILD"/tests/hazard/hazard-*; do
	{ [ -x "$program" ] && [ -f "$program" ]; } || continue
	name=${program##*/hazard-}
	if [ -n "${HAZARDS:-}" ]; then
		case " $HAZARDS " in *" $name "*) ;; *) continue ;; esac
	fi
	names="$names $name"
done
[ -n "$names" ] || skip_all "no hazards in $BUILD/tests/hazard"
set -- $names
while [ $# -gt 0 ]; do
	first=$1
	second=${2:-}
	one "$first" "$BUILD/tests/hazard/hazard-$first" &
	[ -z "$second" ] || one "$second" "$BUILD/tests/hazard/hazard-$second"
	wait
	show "$first"
	[ -z "$second" ] || show "$second"
	shift
	[ -z "$second" ] || shift
done
finish
