#!/bin/sh
# SPDX-License-Identifier: MIT
# Sizes and descriptors are reconciled: pages that came to a program without a fault leave it when its
# budget is lowered, like all others, and come back right.
. "$(dirname "$0")/lib.sh"

unknown=$BUILD/tests/system/unknown

is_small() {
	[ "$(kib "$pid" RssAnon)" -le 20480 ]
}

# leave HOW: 32 MiB of them, with a budget of 64 MiB, then of 20.
leave() {
	name="pages that nobody was told of ($1)"
	: >"$work/out"
	timeout -s KILL 120 "$VSWAP" run -q -m 64M -b "file:$work/tmp" -- "$unknown" "$1" 32 \
		>"$work/out" 2>&1 &
	owner=$!
	started="$started $owner"
	wait_ready "$owner" || { bad "$name" "it did not start" "$work/out"; return; }
	pid=$(find_named "$owner" unknown)
	before=$(kib "$pid" RssAnon)
	"$VSWAP" limit 20M "$pid"
	wait_until 20 is_small
	after=$(kib "$pid" RssAnon)
	kill -TERM "$pid"
	status=0
	wait "$owner" || status=$?
	if [ "$status" != 0 ] || ! grep -q right "$work/out"; then
		bad "$name" "status $status" "$work/out"
	elif [ "$before" -lt 24576 ]; then
		skip "$name" "only $before KiB were there before the budget was lowered"
	elif [ "$after" -gt 20480 ]; then
		bad "$name" "$after KiB stay above a budget of 20 MiB"
	else
		good "$name: $before KiB, then $after"
	fi
}

if [ ! -x "$unknown" ]; then
	echo "skip: no $unknown"
	exit 77
fi
leave free
leave populate
finish
