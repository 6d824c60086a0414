#!/bin/sh
# SPDX-License-Identifier: MIT
# attach, shrink, detach, again and again, while the program works and checks its memory. After
# detach it is as if nothing had been.
. "$(dirname "$0")/../lib.sh"
need_vswap

rounds=${ATTACH_ROUNDS:-5}

start() {
	: >"$work/out"
	"$@" >"$work/out" 2>&1 &
	program=$!
	started="$started $program"
}

# Waits until an attach (its pid, its output) works or has failed.
attached() {
	works_or_failed() {
		has_space "$program" || ! alive "$owner"
	}
	wait_for 20 works_or_failed && alive "$owner"
}

# attach_victim NAME MIB: sets $program and $owner.
attach_victim() {
	start "$victim" "$2" 0 0
	wait_for 20 says "$work/out" ready || { fail "$1" "did not start"; return 1; }
	attach_program
}

# Starts an attach to $program: sets $owner.
attach_program() {
	"$VSWAP" attach -q -m 16M --backend "file:$work/tmp" "$program" >"$work/attach" 2>&1 &
	owner=$!
	started="$started $owner"
}

traces() {
	grep -c . "/proc/$1/maps"
	ls "/proc/$1/task" | wc -l
	ls "/proc/$1/fd" | sort
}

no_traces() {
	traces "$program" >"$work/after"
	cmp -s "$work/before" "$work/after"
}

# loop NAME READY: attaches to $program and leaves, `rounds` times.
loop() {
	name=$1
	for round in $(seq "$rounds"); do
		tasks=$(ls "/proc/$program/task" 2>/dev/null | wc -l)
		attach_program
		if ! attached; then
			fail "$name" "round $round: attach failed" "$work/attach"
			return 1
		fi
		sleep "$((round % 3))" # time passes on purpose: it is attached for so long
		case $((round % 2)) in
		0) kill -INT "$owner" ;;
		*) timeout 60 "$VSWAP" detach "$program" >"$work/detach" 2>&1 ||
			{ fail "$name" "round $round: detach failed" "$work/detach"; return 1; } ;;
		esac
		if ! wait_for 60 all_gone "$owner"; then
			fail "$name" "round $round: the owner did not leave" "$work/attach"
			return 1
		fi
		wait "$owner"
		status=$?
		if [ "$status" != 0 ]; then
			fail "$name" "round $round: attach ended with $status" "$work/attach"
			return 1
		fi
		if ! alive "$program"; then
			fail "$name" "round $round: the program is gone" "$work/out"
			return 1
		fi
	done
}

victim_loop() {
	name="victim with $1 children"
	start "$victim" 48 "$1" 0
	wait_for 20 says "$work/out" ready || { fail "$name" "did not start"; return; }
	traces "$program" >"$work/before"
	loop "$name" || { kill -KILL "$program" 2>/dev/null; return; }
	if ! wait_for 5 no_traces; then
		diff "$work/before" "$work/after" >"$work/diff"
		fail "$name" "traces are left (mappings, threads, descriptors)" "$work/diff"
	fi
	kill -TERM "$program"
	wait "$program"
	status=$?
	if [ "$status" = 0 ] && grep -q right "$work/out"; then
		pass "$name: $rounds times attached and detached, all right"
	else
		fail "$name" "status $status" "$work/out"
	fi
}

is_small() {
	now=$(kib "$program" RssAnon)
	[ "${now:-99999}" -lt 16384 ]
}

# Does it get small, and big again?
shrinks() {
	attach_victim shrinks 64 || return
	if wait_for 20 is_small; then
		pass "attach -m 16M takes a program of 64 MiB to $now KiB"
	else
		fail "attach -m 16M" "it has $now KiB after 20 s" "$work/attach"
	fi
	kill -KILL "$owner"
	if wait_for 10 all_gone "$program"; then
		pass "the owner of an attached program killed: the program dies"
		# It could not remove its socket.
		find "$work/run" -name '*.sock' -delete
	else
		fail "the owner killed" "the program lives on" "$work/out"
	fi
	! grep -q WRONG "$work/out" || fail "the owner killed" "it read a wrong value" "$work/out"
	wait "$program" 2>/dev/null
}

# Sets $program.
storm_rages() {
	program=$(pgrep -P "$parent" -x storm | head -n 1)
	[ "$(kib "${program:-0}" RssAnon)" -gt 16384 ]
}

storm_loop() {
	start timeout -s KILL 400 "$storm" --seconds 360 --mib 64 --threads 3 --only -fork,twin
	parent=$program
	wait_for 20 storm_rages
	loop "storm" || { kill -KILL "$program" 2>/dev/null; return; }
	kill -TERM "$program"
	wait "$parent"
	status=$?
	if [ "$status" = 0 ]; then
		pass "attach and detach in a storm: $(tail -n 1 "$work/out" | cut -c 8-)"
	else
		fail "attach and detach in a storm" "status $status" "$work/out"
	fi
}

twice() {
	attach_victim twice 40 || return
	if ! attached; then
		fail "twice" "the first attach failed" "$work/attach"
		return
	fi
	if timeout 20 "$VSWAP" attach -q -m 16M "$program" >"$work/second" 2>&1; then
		fail "attached already" "a second attach went through"
	elif [ "$(wc -l <"$work/second")" -gt 3 ]; then
		fail "attached already" "a long message" "$work/second"
	else
		pass "attached already: $(head -n 1 "$work/second" | cut -c 1-100)"
	fi
	kill -INT "$owner"
	wait "$owner"
	kill -TERM "$program"
	wait "$program"
	status=$?
	[ "$status" = 0 ] || fail "attached already" "the program ended with $status" "$work/out"
}

# Who is let go of nobody knows yet.
idle_daemons() {
	name="daemons that nobody knows are let go, too"
	HAZARD_SWAPPED=1 "$VSWAP" run -q -m 16M -- \
		"$BUILD/tests/system/daemons" "$work/end" >"$work/out" 2>&1 &
	owner=$! started="$started $!"
	if ! wait_for 60 says "$work/out" made; then
		fail "$name" "they were not made" "$work/out"
		return
	fi
	if ! timeout 60 "$VSWAP" detach "$(find_named "$owner" daemons)" >"$work/detach" 2>&1; then
		fail "$name" "detach failed" "$work/detach"
	fi
	: >"$work/end"
	status=0
	wait "$owner" || status=$?
	judge "$name" "$status" 'right'
}

shrinks
idle_daemons
victim_loop 0
twice
storm_loop
if [ -n "$(left_behind)" ]; then
	fail "afterwards" "left behind: $(left_behind)"
fi
finish
