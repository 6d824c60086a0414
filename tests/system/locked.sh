#!/bin/sh
# SPDX-License-Identifier: MIT
# The owner never waits on swapped memory: with a real swap device on (zram), the kernel is asked again
# and again to swap out all that the owner has, and then all that the program has. Nothing of the owner's
# leaves, and the program finds its data. Needs root and zram.
. "$(dirname "$0")/../lib.sh"
need_vswap

pageout=$BUILD/tests/system/pageout
name="the owner's memory stays"
device=

# Only what we have made ourselves.
remove_swap() {
	cleanup
	[ -n "$device" ] || return 0
	swapoff "/dev/$device" 2>/dev/null
	wait_for 5 device_removed
}

device_removed() {
	echo "${device#zram}" >/sys/class/zram-control/hot_remove
}
trap remove_swap EXIT

# An empty device of ours, used last: whoever else swaps has their own.
add_swap() {
	[ "$(id -u)" = 0 ] || skip_all "needs root"
	[ -d /sys/class/zram-control ] || modprobe zram 2>/dev/null ||
		skip_all "the kernel has no zram"
	number=$(cat /sys/class/zram-control/hot_add 2>/dev/null) || skip_all "no zram device to be had"
	device=zram$number
	echo 128M >"/sys/block/$device/disksize" && mkswap "/dev/$device" >/dev/null 2>&1 &&
		swapon -p 0 "/dev/$device" 2>"$work/err" || skip_all "the device cannot be swapped to"
}

# A process without protection is swapped out, or the rest would prove nothing.
swapping_works() {
	"$victim" 8 0 0 >"$work/plain" 2>&1 &
	plain=$!
	started="$started $plain"
	wait_for 60 says "$work/plain" ready || skip_all "no $victim"
	kill -STOP "$plain"
	"$pageout" "$plain" >"$work/err" 2>&1 || skip_all "process_madvise: $(cat "$work/err")"
	swapped=$(kib "$plain" VmSwap)
	kill -KILL "$plain"
	[ "$swapped" -gt 4096 ] || skip_all "the kernel swaps out no more than $swapped KiB of 8 MiB"
}

owner_stays() {
	start_paged 16M -b "file:$work/tmp" -- "$victim" 48 0 0
	wait_ready "$owner" || { fail "$name" "it did not start" "$work/out"; return; }
	pid=$(find_named "$owner" victim)
	most=0 program=0
	for round in 1 2 3 4 5 6 7 8 9 10; do
		"$pageout" "$owner" >/dev/null
		swapped=$(kib "$owner" VmSwap)
		[ "${swapped:-0}" -le "$most" ] || most=$swapped
		"$pageout" "$pid" >/dev/null
		swapped=$(kib "$pid" VmSwap)
		[ "${swapped:-0}" -le "$program" ] || program=$swapped
		sleep 0.1 # time passes on purpose: both work between two tries
	done
	kill -TERM "$pid"
	status=0
	wait "$owner" || status=$?
	if [ "$status" != 0 ] || ! grep -q right "$work/out"; then
		fail "the program goes on" "status $status" "$work/out"
	else
		pass "the program goes on, of which up to $program KiB were swapped out by the kernel"
	fi
	if [ "$most" = 0 ]; then
		pass "$name"
	else
		fail "$name" "$most KiB of it were swapped out"
	fi
}

need_built "$pageout"
add_swap
swapping_works
owner_stays
finish
