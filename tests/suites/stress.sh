#!/bin/bash
# SPDX-License-Identifier: MIT
# stress-ng's stressors of the classes vm and memory under a budget that makes them swap. What fails without
# vswap as well is no failure of it.
#   STRESS_SECONDS  of each stressor (5)       STRESS_ROUNDS  over all of them (1)
#   STRESS          the stressors to run (all) STRESS_MEMORY  the budget (32M)
. "$(dirname "$0")/../lib.sh"
need_vswap

seconds=${STRESS_SECONDS:-5} rounds=${STRESS_ROUNDS:-1} memory=${STRESS_MEMORY:-32M}

# Not run: what they do to the machine, or that it needs minutes, has nothing to do with paging.
left_out='^(oom-pipe|swap|physpage|watchdog|resources|dev-shm|tmpfs|shm-sysv|lockbus|userfaultfd)$'

have stress-ng || skip_all "no stress-ng"

classes() {
	for class in vm memory; do
		stress-ng --class $class? 2>&1 | sed -n 's/.*stressors: //p'
	done | tr ' ' '\n' | sort -u | grep -vE "$left_out"
}

# stress NAME [COMMAND...]: 2 workers that check what they read, by COMMAND.
stress() {
	name=$1
	shift
	timeout -s KILL $((seconds * 12 + 60)) "$@" stress-ng --"$name" 2 --verify --timeout "${seconds}s" \
		--temp-path "$work/tmp" >"$work/out" 2>&1
}

try() {
	status=0
	stress "$1" "$VSWAP" run -q -m "$memory" -b "file:$work/tmp" -- || status=$?
	if [ $status = 0 ]; then
		pass "$1"
		return
	fi
	cp "$work/out" "$work/paged"
	if stress "$1"; then
		fail "$1" "status $status" "$work/paged"
	else
		skip "$1" "fails without vswap, too"
	fi
}

for round in $(seq "$rounds"); do
	[ "$rounds" = 1 ] || echo "round $round"
	for name in ${STRESS:-$(classes)}; do try "$name"; done
done
finish
