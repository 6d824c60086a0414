#!/bin/sh
# SPDX-License-Identifier: MIT
# How programs and owners end: statuses and signals are the program's own; the owner killed at
# any moment takes the program with it (it must never read zeros for its data); the program killed
# at any moment leaves nothing behind; bad input is refused with one clear line.
. "$(dirname "$0")/lib.sh"

rounds=${LIFECYCLE_ROUNDS:-6}

# A fraction of a second, another one each time.
moment=0
random_pause() {
	moment=$(((moment * 137 + 211) % 1500))
	sleep "$(printf '%d.%03d' $((moment / 1000)) $((moment % 1000)))"
}

statuses() {
	for status in 0 1 77 255; do
		"$VSWAP" run -q -m 16M -- sh -c "exit $status" >"$work/out" 2>&1
		got=$?
		if [ "$got" = "$status" ]; then
			good "exit status $status"
		else
			bad "exit status $status" "got $got" "$work/out"
		fi
	done
	for signal in TERM:15 USR1:10 KILL:9; do
		want=$((128 + ${signal#*:}))
		signal=${signal%:*}
		"$VSWAP" run -q -m 16M -- sh -c "kill -$signal \$\$" >"$work/out" 2>&1
		got=$?
		if [ "$got" = "$want" ]; then
			good "killed by SIG$signal"
		else
			bad "killed by SIG$signal" "got $got, not $want" "$work/out"
		fi
	done
	out=$(echo hello | "$VSWAP" run -q -m 16M -- sh -c 'cat; echo problem >&2' 2>"$work/err")
	if [ "$out" = hello ] && [ "$(cat "$work/err")" = problem ]; then
		good "input, output and messages are the program's"
	else
		bad "input, output and messages" "'$out'" "$work/err"
	fi
}

# The victim under vswap: sets $owner and $program.
start_victim() {
	: >"$work/out" # the last victim's "ready" is not this one's
	"$VSWAP" run -q -m "$1" -- "$victim" "$2" "$3" 0 >"$work/out" 2>&1 &
	owner=$!
	started="$started $owner"
	wait_for 30 "$work/out" ready || return 1
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
			bad "$name" "the program did not start" "$work/out"
			return
		fi
		random_pause
		all=$(family "$program")
		served=$(for pid in $all; do echo "$pid:$(served_ranges "$pid")"; done)
		kill -KILL "$owner"
		wait "$owner" 2>/dev/null
		# shellcheck disable=SC2086
		if ! wait_dead 10 $all; then
			bad "$name" "round $round: the program lives on (ranges served: $(echo $served))" \
				"$work/out"
			for pid in $all; do kill -KILL "$pid" 2>/dev/null; done
			return
		fi
		if grep -q -e WRONG -e right "$work/out"; then
			bad "$name" "round $round: it read what is not its own" "$work/out"
			return
		fi
		ok=$((ok + 1))
	done
	good "$name: $ok times, it died and never saw a wrong value"
}

program_killed() {
	# An owner that was killed cannot remove its socket.
	find "$work/run" -name '*.sock' -delete
	for round in $(seq "$rounds"); do
		if ! start_victim 16M 56 0; then
			bad "program killed" "it did not start" "$work/out"
			return
		fi
		random_pause
		others=$(family "$owner")
		kill -KILL "$program"
		wait "$owner"
		status=$?
		if [ "$status" != 137 ]; then
			bad "program killed" "round $round: vswap ended with $status" "$work/out"
			return
		fi
		# shellcheck disable=SC2086
		if ! wait_dead 5 $others; then
			bad "program killed" "round $round: a process is left of $others" "$work/out"
			return
		fi
	done
	if [ -n "$(left_behind)" ]; then
		bad "program killed" "left behind: $(left_behind)"
	else
		good "program killed: $rounds times, nothing left behind"
	fi
}

# The program's own signals come through, and it ends in order.
signal_passes() {
	if ! start_victim 16M 56 "$1"; then
		bad "SIGTERM to vswap, $1 children" "it did not start" "$work/out"
		return
	fi
	sleep 1
	kill -TERM "$owner"
	wait "$owner"
	status=$?
	if [ "$status" = 0 ] && grep -q right "$work/out"; then
		good "SIGTERM to vswap reaches the program, $1 children"
	else
		bad "SIGTERM to vswap, $1 children" "status $status" "$work/out"
		kill -KILL "$program" 2>/dev/null
	fi
}

# refused NAME STATUS COMMAND...: this status, a message of at most a few lines.
refused() {
	name=$1 want=$2
	shift 2
	timeout 20 "$@" >"$work/out" 2>"$work/err"
	got=$?
	lines=$(wc -l <"$work/err")
	if [ "$got" != "$want" ]; then
		bad "refused: $name" "status $got, not $want" "$work/err"
	elif [ "$lines" -lt 1 ] || [ "$lines" -gt 3 ]; then
		bad "refused: $name" "$lines lines of message" "$work/err"
	elif [ -s "$work/out" ]; then
		bad "refused: $name" "the program ran" "$work/out"
	else
		good "refused: $name: $(head -n 1 "$work/err" | cut -c 1-100)"
	fi
}

bad_input() {
	refused "budget too small" 2 "$VSWAP" run -m 1K -- echo ran
	refused "a budget that is no size" 2 "$VSWAP" run -m 12Q -- echo ran
	refused "unknown option" 2 "$VSWAP" run --no-such-option -- echo ran
	refused "unknown backend" 2 "$VSWAP" run --backend tape:/x -- echo ran
	refused "a backend's path that does not exist" 1 \
		"$VSWAP" run -m 16M --backend file:/no/such/folder/file -- echo ran
	refused "no command" 2 "$VSWAP" run -m 16M
	refused "a command that does not exist" 127 "$VSWAP" run -m 16M -- /no/such/command
	refused "a folder as the command" 126 "$VSWAP" run -m 16M -- /
	refused "unknown verb" 2 "$VSWAP" frobnicate
	refused "attach to a pid that does not exist" 1 "$VSWAP" attach -m 16M 4194000
	refused "attach to no pid" 2 "$VSWAP" attach -m 16M
	refused "attach to something else" 2 "$VSWAP" attach -m 16M abc
	[ ! -r /proc/2/status ] || ! grep -q '^Name:.kthreadd' /proc/2/status ||
		refused "attach to a kernel thread" 1 "$VSWAP" attach -m 16M 2
	refused "detach what is not attached" 1 "$VSWAP" detach $$
	refused "stat without a space" 1 "$VSWAP" stat $$
}

# Data that does not compress and nowhere to put it: slow or refused, never wrong.
full_file() {
	timeout -s KILL 100 "$VSWAP" run -q -m 16M --backend "file:$work/tmp,size=8M" -- \
		"$victim" 64 0 5 >"$work/out" 2>&1
	status=$?
	if [ "$status" = 0 ] && grep -q right "$work/out"; then
		good "a full file loses nothing"
	else
		bad "a full file" "status $status" "$work/out"
	fi
	if [ -n "$(find "$work/tmp" -mindepth 1)" ]; then
		bad "a folder as a backend" "left behind: $(find "$work/tmp" -mindepth 1)"
	else
		good "a folder as a backend is left as it was"
	fi
}

# With the file system itself full, not only the file.
full_disk() {
	if [ "$(id -u)" != 0 ] || ! mkdir "$work/disk" ||
		! mount -t tmpfs -o size=4m none "$work/disk" 2>/dev/null; then
		skip "a full disk" "needs root"
		return
	fi
	timeout -s KILL 100 "$VSWAP" run -q -m 16M --backend "file:$work/disk,size=64M" -- \
		"$victim" 64 0 5 >"$work/out" 2>&1
	status=$?
	umount "$work/disk"
	if [ "$status" = 0 ] && grep -q right "$work/out"; then
		good "a full disk loses nothing"
	elif [ "$status" = 1 ] && ! grep -q -e ready -e WRONG "$work/out"; then
		good "a disk that is too small is refused"
	else
		bad "a full disk" "status $status" "$work/out"
	fi
}

# A program with many children where few descriptors are allowed: the owner takes what it may have,
# and the program keeps its own limit. Where that is too few it is killed, with a message; it does not hang.
few_descriptors() {
	got=$(ulimit -S -n 50 && "$VSWAP" run -q -m 16M -- sh -c 'ulimit -S -n')
	if [ "$got" = 50 ]; then
		good "the program keeps its own limit of descriptors"
	else
		bad "the program keeps its own limit of descriptors" "it has $got, not 50"
	fi
	(
		ulimit -S -n 60
		exec timeout -s KILL 100 "$VSWAP" run -q -m 16M -- "$BUILD/tests/trees/prefork" --mib 24 \
			--children 48 --seconds 1 --cold 1
	) >"$work/out" 2>&1
	status=$?
	if [ "$status" = 0 ]; then
		good "48 children where 60 descriptors are used as a rule: right"
	else
		bad "48 children where 60 descriptors are used as a rule" "status $status" "$work/out"
	fi
	(
		ulimit -S -n 60
		ulimit -H -n 60
		exec "$VSWAP" run -m 16M -- "$BUILD/tests/trees/prefork" --mib 24 --children 48 \
			--seconds 1 --cold 1
	) >"$work/out" 2>&1 &
	owner=$!
	started="$started $owner"
	if wait_until 60 few_are_told "$owner"; then
		good "48 children where 60 descriptors are all: right, or killed with a message"
	else
		bad "48 children where 60 descriptors are all" "it hangs" "$work/out"
	fi
	# The children of one that was killed check on for ever.
	kill -KILL "$owner" 2>/dev/null
	wait "$owner" 2>/dev/null
}

few_are_told() {
	! alive "$1" || grep -q 'raise the limit (ulimit -Hn)' "$work/out"
}

statuses
few_descriptors
owner_killed 0
owner_killed 2
program_killed
signal_passes 0
signal_passes 2
bad_input
full_file
full_disk
finish
