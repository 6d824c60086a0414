#!/bin/sh
# SPDX-License-Identifier: MIT
# attach, shrink, detach, again and again, while the program works and checks its memory. After
# detach it is as if nothing had been.
. "$(dirname "$0")/lib.sh"

rounds=${ATTACH_ROUNDS:-5}

start() {
	: >"$work/out"
	"$@" >"$work/out" 2>&1 &
	program=$!
	started="$started $program"
}

# Waits until an attach (its pid, its output) works or has failed.
attached() {
	tries=400
	while [ "$tries" -gt 0 ]; do
		alive "$1" || return 1
		"$VSWAP" stat --json "$2" >"$work/stat" 2>/dev/null && return 0
		tries=$((tries - 1))
		sleep 0.05
	done
	return 1
}

# attach_victim NAME MIB: sets $program and $owner.
attach_victim() {
	start "$victim" "$2" 0 0
	wait_for 20 "$work/out" ready || { bad "$1" "did not start"; return 1; }
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

# loop NAME READY: attaches to $program and leaves, `rounds` times.
loop() {
	name=$1
	for round in $(seq "$rounds"); do
		tasks=$(ls "/proc/$program/task" 2>/dev/null | wc -l)
		attach_program
		if ! attached "$owner" "$program"; then
			bad "$name" "round $round: attach failed" "$work/attach"
			return 1
		fi
		sleep "$((round % 3))"
		case $((round % 2)) in
		0) kill -INT "$owner" ;;
		*) timeout 60 "$VSWAP" detach "$program" >"$work/detach" 2>&1 ||
			{ bad "$name" "round $round: detach failed" "$work/detach"; return 1; } ;;
		esac
		if ! wait_dead 60 "$owner"; then
			bad "$name" "round $round: the owner did not leave" "$work/attach"
			return 1
		fi
		wait "$owner"
		status=$?
		if [ "$status" != 0 ]; then
			bad "$name" "round $round: attach ended with $status" "$work/attach"
			return 1
		fi
		if ! alive "$program"; then
			bad "$name" "round $round: the program is gone" "$work/out"
			return 1
		fi
	done
}

victim_loop() {
	name="victim with $1 children"
	start "$victim" 48 "$1" 0
	wait_for 20 "$work/out" ready || { bad "$name" "did not start"; return; }
	traces "$program" >"$work/before"
	loop "$name" || { kill -KILL "$program" 2>/dev/null; return; }
	sleep 0.2
	traces "$program" >"$work/after"
	if ! cmp -s "$work/before" "$work/after"; then
		diff "$work/before" "$work/after" >"$work/diff"
		bad "$name" "traces are left (mappings, threads, descriptors)" "$work/diff"
	fi
	kill -TERM "$program"
	wait "$program"
	status=$?
	if [ "$status" = 0 ] && grep -q right "$work/out"; then
		good "$name: $rounds times attached and detached, all right"
	else
		bad "$name" "status $status" "$work/out"
	fi
}

# Does it get small, and big again?
shrinks() {
	attach_victim shrinks 64 || return
	small=0
	for try in $(seq 200); do
		now=$(kib "$program" RssAnon)
		if [ "${now:-99999}" -lt 16384 ]; then
			small=1
			break
		fi
		sleep 0.1
	done
	if [ "$small" = 1 ]; then
		good "attach -m 16M takes a program of 64 MiB to $now KiB"
	else
		bad "attach -m 16M" "it has $now KiB after 20 s" "$work/attach"
	fi
	kill -KILL "$owner"
	if wait_dead 10 "$program"; then
		good "the owner of an attached program killed: the program dies"
		# It could not remove its socket.
		find "$work/run" -name '*.sock' -delete
	else
		bad "the owner killed" "the program lives on" "$work/out"
	fi
	! grep -q WRONG "$work/out" || bad "the owner killed" "it read a wrong value" "$work/out"
	wait "$program" 2>/dev/null
}

storm_loop() {
	start timeout -s KILL 200 "$storm" --seconds $((rounds * 3)) --mib 64 --threads 3 --only -fork
	sleep 1
	parent=$program
	program=$(pgrep -P "$parent" -x storm | head -n 1)
	loop "storm" || { kill -KILL "$program" 2>/dev/null; return; }
	wait "$parent"
	status=$?
	if [ "$status" = 0 ]; then
		good "attach and detach in a storm: $(tail -n 1 "$work/out" | cut -c 8-)"
	else
		bad "attach and detach in a storm" "status $status" "$work/out"
	fi
}

twice() {
	attach_victim twice 40 || return
	if ! attached "$owner" "$program"; then
		bad "twice" "the first attach failed" "$work/attach"
		return
	fi
	if timeout 20 "$VSWAP" attach -q -m 16M "$program" >"$work/second" 2>&1; then
		bad "attached already" "a second attach went through"
	elif [ "$(wc -l <"$work/second")" -gt 3 ]; then
		bad "attached already" "a long message" "$work/second"
	else
		good "attached already: $(head -n 1 "$work/second" | cut -c 1-100)"
	fi
	kill -INT "$owner"
	wait "$owner"
	kill -TERM "$program"
	wait "$program"
	status=$?
	[ "$status" = 0 ] || bad "attached already" "the program ended with $status" "$work/out"
}

shrinks
victim_loop 0
twice
storm_loop
if [ -n "$(left_behind)" ]; then
	bad "afterwards" "left behind: $(left_behind)"
fi
finish
