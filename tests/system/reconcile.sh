#!/bin/sh
# SPDX-License-Identifier: MIT
# Sizes and descriptors are reconciled: pages that came to a program without a fault leave it when its
# budget is lowered, like all others, and come back right.
. "$(dirname "$0")/../lib.sh"
need_vswap

unknown=$BUILD/tests/system/unknown

is_small() {
	[ "$(kib "$pid" RssAnon)" -le 20480 ]
}

# leave HOW: 32 MiB of them, with a budget of 64 MiB, then of 20.
leave() {
	name="pages that nobody was told of ($1)"
	start_paged 64M -b "file:$work/tmp" -- "$unknown" "$1" 32
	wait_ready "$owner" || { fail "$name" "it did not start" "$work/out"; return; }
	pid=$(find_named "$owner" unknown)
	before=$(kib "$pid" RssAnon)
	"$VSWAP" limit 20M "$pid"
	wait_for 20 is_small
	after=$(kib "$pid" RssAnon)
	kill -TERM "$pid"
	status=0
	wait "$owner" || status=$?
	if [ "$status" != 0 ] || ! grep -q right "$work/out"; then
		fail "$name" "status $status" "$work/out"
	elif [ "$before" -lt 24576 ]; then
		skip "$name" "only $before KiB were there before the budget was lowered"
	elif [ "$after" -gt 20480 ]; then
		fail "$name" "$after KiB stay above a budget of 20 MiB"
	else
		pass "$name: $before KiB, then $after"
	fi
}

need_built "$unknown"
leave free
leave populate
finish
