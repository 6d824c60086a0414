#!/bin/bash
# SPDX-License-Identifier: MIT
# Programs that call the kernel with memory that has left: what they print, and how they end, must be what it is
# without vswap, but for the lines of calls/differences.
#   CALLS        the programs to run (all)    CALLS_MEMORY  the budget (16M)
. "$(dirname "$0")/../lib.sh"
need_vswap

memory=${CALLS_MEMORY:-16M}
differences=$root/tests/suites/calls/differences

# tried NAME [COMMAND...]: what the program says, and how it ends.
tried() {
	local name=$1 status=0
	shift
	(cd "$work/tmp" && timeout -s KILL 150 "$@" "$BUILD/tests/suites/calls/calls-$name" 2>"$work/$name.err") || status=$?
	echo "status $status"
}

# The lines of the second that the first has not, but for those that are known: `<` without, `>` with vswap.
compare() {
	diff "$1" "$2" | grep '^[<>]' | grep -vxFf "$differences" >"$work/differ"
}

for program in "$BUILD"/tests/suites/calls/calls-*; do
	name=${program##*/calls-}
	{ [ -x "$program" ] && [ -f "$program" ]; } || continue
	[ -z "${CALLS:-}" ] || [[ " $CALLS " == *" $name "* ]] || continue
	tried "$name" >"$work/$name.plain"
	HAZARD_SWAPPED=1 tried "$name" "$VSWAP" run -q -m "$memory" -b "file:$work/tmp" -- >"$work/$name.paged"
	left=$(grep -c '^area: left' "$work/$name.err") stays=$(grep -c '^area: stays' "$work/$name.err")
	if compare "$work/$name.plain" "$work/$name.paged"; then
		grep -v '^area:' "$work/$name.err" >>"$work/differ"
		fail "calls: $name" "differs" "$work/differ"
	elif [ $((stays * 4)) -gt "$left" ]; then
		fail "calls: $name" "$left areas left memory, $stays stayed" "$work/$name.err"
	else
		pass "calls: $name: $(grep -c ' = ' "$work/$name.plain") results, $left areas had left, $stays not"
	fi
done
finish
