#!/bin/sh
# SPDX-License-Identifier: MIT
# The owner, keepers, or several of them are killed at any moment, beside programs whose processes
# nobody knows all of. Nobody may see what is not its own, and nobody may be left; nobody else may be
# hurt. KILL_ROUNDS: how often (6); KILLS: which ways only.
. "$(dirname "$0")/../lib.sh"
need_vswap

rounds=${KILL_ROUNDS:-6}
kills=${KILLS:-owner one_keeper two_keepers by_name all}
survivors=$BUILD/tests/trees/survivors

keepers_of() {
	for one in $(children "$1"); do
		! name_is "$one" swap-keeper || echo "$one"
	done
}

has_keepers() {
	[ "$(keepers_of "$1" | wc -l)" = 2 ]
}

locked() {
	awk '/^VmLck/ { print $2 }' "/proc/$1/status"
}

# What the owner keeps in locked memory, its keepers do.
keepers_lock() {
	[ "$(locked "$1")" = 0 ] && return
	for one in $(keepers_of "$1"); do
		[ "$(locked "$one")" != 0 ] || return 1
	done
}

# What `pkill -9 vswap` and `pkill -9 -f vswap` would find of this job.
named() {
	for one in $1 $(keepers_of "$1"); do
		! cat "/proc/$one/comm" "/proc/$one/cmdline" 2>/dev/null | grep -aq vswap || echo "$one"
	done
}

# Some are gone before they are hit.
hit() {
	kill -KILL "$@" 2>/dev/null
}

kill_owner() {
	hit "$1"
}

kill_one_keeper() {
	# shellcheck disable=SC2046
	hit "$1" $(keepers_of "$1" | head -n 1)
}

# has_others OWNER PID...: keepers, and none of these, which may be dying still.
has_others() {
	has_keepers "$1" || return 1
	for one in $(keepers_of "$1"); do
		case " $* " in *" $one "*) return 1 ;; esac
	done
}

# The owner goes on, and has others at once.
kill_two_keepers() {
	# shellcheck disable=SC2046
	set -- "$1" $(keepers_of "$1")
	hit "$2" "$3"
	if ! wait_for 20 has_others "$@"; then
		trouble="no new keepers"
		[ -d "/proc/$1" ] || trouble="the owner has ended with its keepers"
	fi
	wait_for 5 keepers_lock "$1" || trouble="new keepers have not locked their memory"
	hit "$1"
}

kill_by_name() {
	# shellcheck disable=SC2046
	hit $(named "$1")
}

kill_all() {
	# shellcheck disable=SC2046
	hit "$1" $(keepers_of "$1")
}

# Lives, and should not: some of its memory was served, and nobody is left to do so. Who is killed
# early enough, on a busy machine, leaves a job of which nothing has left yet: that goes on as it is.
survives() {
	grep -q '^VmFlags:.* um' "/proc/$1/smaps" 2>/dev/null
}

nobody_lives() {
	"$survivors" look "$1" >"$work/seen"
	for one in $(awk '$2 == "alive" { print $1 }' "$work/seen"); do
		! survives "$one" || return 1
	done
}

# one_round WAY: sets $trouble if something was wrong.
one_round() {
	trouble=
	rm -f "$work/record"
	# Children without an agent are not safe when everybody is killed at once.
	each=3
	[ "$1" != all ] || each=0
	start_paged 16M -- "$survivors" run "$work/record" 24 "$each"
	if ! wait_for 20 has_keepers "$owner"; then
		trouble="it did not start"
		return
	fi
	# Half of them while it begins.
	[ $((round % 2)) = 0 ] || wait_for 60 says "$work/out" ready
	random_pause 2203
	"kill_$1" "$owner"
	wait "$owner" 2>/dev/null
	[ -s "$work/record" ] || return
	wait_for 60 nobody_lives "$work/record" || trouble="$trouble somebody lives"
	# Whoever does goes on looking at all of its memory.
	! grep -q ' alive ' "$work/seen" || {
		sleep 2
		"$survivors" look "$work/record" >"$work/seen"
	}
	! grep -qv 'zeros 0 wrong 0' "$work/seen" || trouble="$trouble somebody saw wrong bytes"
	# shellcheck disable=SC2046
	kill -KILL $(awk '$2 == "alive" { print $1 }' "$work/seen") 2>/dev/null
}

bystanders_begin() {
	"$VSWAP" run -q -m 16M -- "$survivors" run "$work/other-job" 24 1 >"$work/other-out" 2>&1 &
	other=$!
	started="$started $other"
	"$survivors" other "$work/other-user" &
	user=$!
	started="$started $user"
	wait_for 60 says "$work/other-out" ready
}

bystanders_end() {
	"$survivors" look "$work/other-job" >"$work/seen"
	if ! alive "$user" || ! alive "$other" || [ "$(grep -c ' alive ' "$work/seen")" -lt 4 ] ||
		grep -qv 'zeros 0 wrong 0' "$work/seen"; then
		fail "others are not hurt" "another job, or who has a userfaultfd of its own, was" "$work/seen"
	else
		pass "another job, and who has a userfaultfd of its own, are not hurt"
	fi
	kill -KILL "$other" "$user"
	wait "$other" "$user" 2>/dev/null
	wait_for 60 nobody_lives "$work/other-job"
}

run_rounds() {
	round=0 checked=0
	while [ "$round" -lt "$rounds" ]; do
		for way in $kills; do
			[ "$round" -lt "$rounds" ] || break
			round=$((round + 1))
			one_round "$way" 2>"$work/err"
			if [ -n "$trouble" ]; then
				fail "round $round, killed: $way" "$trouble" "$work/seen"
				return
			fi
			checked=$((checked + $(awk '{ n += $NF } END { print n + 0 }' "$work/seen")))
		done
	done
	pass "$round rounds ($kills): nobody left, nobody saw wrong bytes in $checked pages"
}

bystanders_begin
run_rounds
bystanders_end
finish
