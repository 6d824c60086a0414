#!/bin/sh
# SPDX-License-Identifier: MIT
# How programs and owners end: the owner killed at any moment takes the program with it (it must never read
# zeros for its data); the program killed at any moment leaves nothing behind. And what they do where
# descriptors or room on a disk are few.
. "$(dirname "$0")/../lib.sh"
need_vswap

rounds=${LIFECYCLE_ROUNDS:-6}

# The victim under vswap: sets $owner and $program.
start_victim() {
	start_paged "$1" -- "$victim" "$2" "$3" 0
	wait_for 30 says "$work/out" ready || return 1
	program=$(pgrep -P "$owner" -x victim | head -n 1)
	[ -n "$program" ] || return 1
	started="$started $program"
}

# How many of a process's mappings have their missing pages served.
served_ranges() {
	grep -c '^VmFlags:.* um' "/proc/$1/smaps" 2>/dev/null
}

owner_killed() {
	name="owner killed, $1 children" ok=0
	for round in $(seq "$rounds"); do
		if ! start_victim 16M 56 "$1"; then
			fail "$name" "the program did not start" "$work/out"
			return
		fi
		random_pause 1500
		all=$(family "$program")
		served=$(for pid in $all; do echo "$pid:$(served_ranges "$pid")"; done)
		kill -KILL "$owner"
		wait "$owner" 2>/dev/null
		# shellcheck disable=SC2086
		if ! wait_for 10 all_gone $all; then
			fail "$name" "round $round: the program lives on (ranges served: $(echo $served))" \
				"$work/out"
			for pid in $all; do kill -KILL "$pid" 2>/dev/null; done
			return
		fi
		if grep -q -e WRONG -e right "$work/out"; then
			fail "$name" "round $round: it read what is not its own" "$work/out"
			return
		fi
		ok=$((ok + 1))
	done
	pass "$name: $ok times, it died and never saw a wrong value"
}

program_killed() {
	# An owner that was killed cannot remove its socket.
	find "$work/run" -name '*.sock' -delete
	for round in $(seq "$rounds"); do
		if ! start_victim 16M 56 0; then
			fail "program killed" "it did not start" "$work/out"
			return
		fi
		random_pause 1500
		others=$(family "$owner")
		kill -KILL "$program"
		wait "$owner"
		status=$?
		if [ "$status" != 137 ]; then
			fail "program killed" "round $round: vswap ended with $status" "$work/out"
			return
		fi
		# shellcheck disable=SC2086
		if ! wait_for 5 all_gone $others; then
			fail "program killed" "round $round: a process is left of $others" "$work/out"
			return
		fi
	done
	if [ -n "$(left_behind)" ]; then
		fail "program killed" "left behind: $(left_behind)"
	else
		pass "program killed: $rounds times, nothing left behind"
	fi
}

has_shrunk() {
	[ "$(kib "$program" RssAnon)" -lt 20480 ]
}

# The program's own signals come through, and it ends in order.
signal_passes() {
	if ! start_victim 16M 56 "$1"; then
		fail "SIGTERM to vswap, $1 children" "it did not start" "$work/out"
		return
	fi
	wait_for 20 has_shrunk
	kill -TERM "$owner"
	wait "$owner"
	status=$?
	if [ "$status" = 0 ] && grep -q right "$work/out"; then
		pass "SIGTERM to vswap reaches the program, $1 children"
	else
		fail "SIGTERM to vswap, $1 children" "status $status" "$work/out"
		kill -KILL "$program" 2>/dev/null
	fi
}

# Data that does not compress and nowhere to put it: slow or refused, never wrong.
full_file() {
	paged 100 16M --backend "file:$work/tmp,size=8M" -- "$victim" 64 0 5
	judge "a full file loses nothing" $? right
	if [ -n "$(find "$work/tmp" -mindepth 1)" ]; then
		fail "a folder as a backend" "left behind: $(find "$work/tmp" -mindepth 1)"
	else
		pass "a folder as a backend is left as it was"
	fi
}

# With the file system itself full, not only the file.
full_disk() {
	if [ "$(id -u)" != 0 ] || ! mkdir "$work/disk" ||
		! mount -t tmpfs -o size=4m none "$work/disk" 2>/dev/null; then
		skip "a full disk" "needs root"
		return
	fi
	status=0
	paged 100 16M --backend "file:$work/disk,size=64M" -- "$victim" 64 0 5 || status=$?
	wait_for 10 umount "$work/disk"
	if [ "$status" = 0 ] && grep -q right "$work/out"; then
		pass "a full disk loses nothing"
	elif [ "$status" = 1 ] && ! grep -q -e ready -e WRONG "$work/out"; then
		pass "a disk that is too small is refused"
	else
		fail "a full disk" "status $status" "$work/out"
	fi
}

# A program with many children where few descriptors are allowed: the owner takes what it may have,
# and the program keeps its own limit. Where that is too few it is killed, with a message; it does not hang.
few_descriptors() {
	got=$(ulimit -S -n 50 && "$VSWAP" run -q -m 16M -- sh -c 'ulimit -S -n')
	if [ "$got" = 50 ]; then
		pass "the program keeps its own limit of descriptors"
	else
		fail "the program keeps its own limit of descriptors" "it has $got, not 50"
	fi
	(
		ulimit -S -n 60
		exec timeout -s KILL 100 "$VSWAP" run -q -m 16M -- "$BUILD/tests/trees/prefork" --mib 24 \
			--children 48 --seconds 1 --cold 1
	) >"$work/out" 2>&1
	status=$?
	if [ "$status" = 0 ]; then
		pass "48 children where 60 descriptors are used as a rule: right"
	else
		fail "48 children where 60 descriptors are used as a rule" "status $status" "$work/out"
	fi
	(
		ulimit -S -n 60
		ulimit -H -n 60
		exec "$VSWAP" run -m 16M -- "$BUILD/tests/trees/prefork" --mib 24 --children 48 \
			--seconds 1 --cold 1
	) >"$work/out" 2>&1 &
	owner=$!
	started="$started $owner"
	if wait_for 60 few_are_told "$owner"; then
		pass "48 children where 60 descriptors are all: right, or killed with a message"
	else
		fail "48 children where 60 descriptors are all" "it hangs" "$work/out"
	fi
	# The children of one that was killed check on for ever.
	kill -KILL "$owner" 2>/dev/null
	wait "$owner" 2>/dev/null
}

few_are_told() {
	! alive "$1" || grep -q 'raise the limit (ulimit -Hn)' "$work/out"
}

few_descriptors
owner_killed 0
owner_killed 2
program_killed
signal_passes 0
signal_passes 2
full_file
full_disk
finish
