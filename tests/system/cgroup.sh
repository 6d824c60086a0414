#!/bin/sh
# SPDX-License-Identifier: MIT
# Jobs inside a memory cgroup whose limit the kernel would kill them for: with a fixed budget, and with
# one that follows the limit (-m cgroup) while neighbours come, the limit is lowered, the cgroup goes.
# All data is checked. Needs root and the memory controller, v1 or v2.
. "$(dirname "$0")/../lib.sh"
need_vswap

jobs=$BUILD/tests/trees/jobs
patience=150

top=/sys/fs/cgroup/memory limit_file=memory.limit_in_bytes usage_file=memory.usage_in_bytes
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
	top=/sys/fs/cgroup limit_file=memory.max usage_file=memory.current
fi
groups=

remove_groups() {
	cleanup
	for group in $groups; do
		[ ! -d "$group" ] || wait_for 5 rmdir "$group"
	done
}
trap remove_groups EXIT

# new_group NAME [SIZE]: a cgroup, in $group. Without swap of the kernel's: that would only be slow.
new_group() {
	group=$top/vswap-test.$$.$1
	mkdir "$group" || return 1
	groups="$group $groups"
	[ $# = 1 ] || set_limit "$group" "$2"
}

set_limit() {
	echo "$2" 2>/dev/null >"$1/$limit_file" || return 1
	echo "$2" 2>/dev/null >"$1/memory.memsw.limit_in_bytes" ||
		echo 0 2>/dev/null >"$1/memory.swap.max" || :
}

# inside GROUP COMMAND...: becomes the command, inside.
inside() {
	place=$1
	shift
	exec timeout -s KILL "$patience" sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$place" "$@"
}

# Starts a program of MIB MiB that checks its memory until it is told to end, in GROUP with a budget
# that follows its limit, or of $budget: $owner and $pid. start MIB GROUP [WRAPPER...]
budget=cgroup
start() {
	mib=$1 where=$2
	shift 2
	: >"$work/out"
	(inside "$where" "$@" "$VSWAP" run -q -m "$budget" -b "file:$work/tmp" -- "$victim" "$mib" 0 0) \
		>"$work/out" 2>&1 &
	timeout_pid=$!
	started="$started $timeout_pid"
	wait_ready "$timeout_pid" || return 1
	pid=$(find_named "$timeout_pid" victim)
	owner=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$pid/status")
	wait_for 60 is_attached "$pid"
}

# stop NAME: it has lived, and all its memory was right.
stop() {
	kill -TERM "$pid" 2>/dev/null
	status=0
	wait "$timeout_pid" || status=$?
	if [ "$status" = 0 ] && grep -q right "$work/out"; then
		pass "$1${2:+: $2}"
	else
		fail "$1" "status $status" "$work/out"
	fi
}

killed_alone() {
	new_group alone 64M
	(inside "$group" "$jobs" --mib 96 --seconds 1) >"$work/out" 2>&1
	alone=$?
	if [ "$alone" = 137 ]; then
		pass "the kernel kills the program alone"
	else
		fail "the kernel should kill the program alone" "status $alone" "$work/out"
	fi
	(inside "$group" "$VSWAP" run -q -m 40M -b "file:$work/tmp" -- "$jobs" --mib 96 --seconds 2) \
		>"$work/out" 2>&1
	judge "a fixed budget inside the limit" $? 'busy: right'
	(inside "$group" "$VSWAP" run -q -m cgroup -b "file:$work/tmp" -s "$work/stats" -- \
		"$jobs" --mib 96 --seconds 2) >"$work/out" 2>&1
	judge "a budget that follows the limit" $? 'busy: right'
	if grep -q "\"cgroup\": *\"$group\"" "$work/stats" &&
		grep -q "\"cgroup_limit_bytes\": *67108864" "$work/stats"; then
		pass "the figures name the cgroup and its limit"
	else
		fail "the figures" "do not name the cgroup" "$work/stats"
	fi
	if (inside "$group" "$VSWAP" doctor) | grep -q "memory cgroup *64.0 MiB of $group;"; then
		pass "doctor names the limit"
	else
		fail "doctor" "does not name the limit"
	fi
	new_group above 64M
	mkdir "$group/inner"
	groups="$group/inner $groups"
	(inside "$group/inner" "$VSWAP" run -q -m cgroup -b "file:$work/tmp" -- \
		"$jobs" --mib 96 --seconds 2) >"$work/out" 2>&1
	judge "the limit of a cgroup above" $? 'busy: right'
}

has_room() {
	[ $(($(cat "$group/$usage_file") + 8 * 1048576)) -lt $((96 * 1048576)) ]
}

# A process of 5 MiB in the cgroup, once it has them.
neighbour() {
	(inside "$group" "$jobs" --idle --mib 5 --seconds 600) >/dev/null 2>&1 &
	process=$!
	started="$started $process"
	has_memory() {
		for one in $(children "$process"); do
			[ "$(kib "$one" RssAnon)" -lt 5120 ] || return 0
		done
		return 1
	}
	wait_for 60 has_memory
}

# Each takes some of what the budget counted on; the next comes when there is room again.
neighbours() {
	new_group neighbours 96M
	start 128 "$group" || { fail "neighbours" "it did not start" "$work/out"; return; }
	before=$(figure "$pid" limit_bytes)
	count=0
	while [ "$count" -lt 6 ] && wait_for 60 has_room && neighbour; do
		count=$((count + 1))
	done
	wait_for 60 has_room || count="$count, no room again"
	after=$(figure "$pid" limit_bytes)
	if [ "$count" != 6 ] || [ "$after" -gt $((before - 25 * 1048576)) ]; then
		fail "neighbours" "count $count, the budget went from $before to $after" "$work/out"
	fi
	stop "neighbours that take 30 of 96 MiB" "the budget went from $((before >> 20)) to $((after >> 20)) MiB"
	kill_others
}

# What is in the cgroup but for the job, which has ended.
kill_others() {
	for one in $(cat "$group/cgroup.procs"); do
		kill -KILL "$one" 2>/dev/null
	done
}

# v1 refuses a limit below what is used, v2 kills for it: in small steps then, each when there is room.
lowered() {
	name="a limit that is lowered from 128 to 64 MiB"
	new_group lowered 128M
	start 160 "$group" || { fail "$name" "it did not start" "$work/out"; return; }
	mib=128
	step_down() {
		[ "$(cat "$group/$usage_file")" -lt $(((mib - 2 - 5) << 20)) ] &&
			echo $((mib - 2))M 2>/dev/null >"$group/$limit_file"
	}
	while [ "$mib" -gt 64 ] && wait_for 60 step_down; do
		mib=$((mib - 2))
	done
	is_low() {
		[ "$(figure "$pid" limit_bytes)" -le $((56 << 20)) ]
	}
	if [ "$mib" != 64 ] || ! wait_for 60 is_low; then
		fail "$name" "stuck at $mib MiB, the budget is $(figure "$pid" limit_bytes)" "$work/out"
	fi
	stop "$name"
}

follows() {
	[ "$(figure "$pid" cgroup)" = "$1" ]
}

# The cgroup is removed under it, and followed anew where it went.
vanished() {
	new_group gone 64M
	gone=$group
	new_group other 80M
	start 96 "$gone" || { fail "a cgroup that vanishes" "it did not start" "$work/out"; return; }
	for one in $(cat "$gone/cgroup.procs") $(cat "$gone/cgroup.procs"); do
		echo "$one" 2>/dev/null >"$group/cgroup.procs"
	done
	wait_for 60 rmdir "$gone" 2>/dev/null
	if ! wait_for 60 grep -q "$gone is gone; the budget stays" "$work/out"; then
		fail "a cgroup that vanishes" "it does not say so" "$work/out"
	# Time passes on purpose: it looks each second.
	elif before=$(figure "$pid" limit_bytes) && sleep 2.2 && [ "$(grep -c '^vswap:' "$work/out")" != 1 ]; then
		fail "a cgroup that vanishes" "said more than once" "$work/out"
	else
		pass "a cgroup that vanishes: said once"
	fi
	[ "$(figure "$pid" limit_bytes)" = "${before:-}" ] || fail "a cgroup that vanishes" "the budget has changed"
	if "$VSWAP" limit cgroup "$pid" >>"$work/out" 2>&1 && wait_for 60 follows "$group"; then
		pass "vswap limit cgroup finds the new one"
	else
		fail "vswap limit cgroup" "does not find the new one" "$work/out"
	fi
	"$VSWAP" limit 40M "$pid"
	if [ "$(figure "$pid" cgroup)" = "" ] && [ "$(figure "$pid" limit_bytes)" = $((40 << 20)) ]; then
		pass "vswap limit SIZE ends following"
	else
		fail "vswap limit SIZE" "the budget still follows $(figure "$pid" cgroup)"
	fi
	stop "a cgroup that vanishes: the job goes on"
}

# How many threads of the owner have another priority.
count_lazy() {
	cat "/proc/$owner/task/"*/stat | awk '$19 != -20' | wc -l
}

# With a fixed budget at first: it follows the limit when it is told to, and then it hurries.
joined() {
	new_group joined 64M
	budget=40M
	start 96 "$group" || { fail "a fixed budget at first" "it did not start" "$work/out"; return; }
	budget=cgroup
	before=$(count_lazy)
	"$VSWAP" limit cgroup "$pid" >>"$work/out" 2>&1
	if wait_for 60 follows "$group" && [ "$before" -gt 1 ] && [ "$(count_lazy)" = 0 ]; then
		pass "a fixed budget that follows the limit later"
	else
		fail "a fixed budget that follows the limit later" \
			"it follows '$(figure "$pid" cgroup)', and $(count_lazy) threads do not hurry" "$work/out"
	fi
	stop "a fixed budget at first: the job goes on"
}

# Its file reads as something that is no limit, for the owner alone.
unreadable() {
	new_group unreadable 64M
	if ! unshare -m true 2>/dev/null || ! have nsenter; then
		skip "a limit that cannot be read" "no mount namespaces here"
		return
	fi
	start 96 "$group" unshare -m || { fail "a limit that cannot be read" "it did not start" "$work/out"; return; }
	nsenter -t "$owner" -m mount --bind /dev/null "$group/$limit_file"
	if wait_for 60 grep -q "cannot read the memory limits in $group.*the budget stays" "$work/out"; then
		pass "a limit that cannot be read is said"
	else
		fail "a limit that cannot be read" "it does not say so" "$work/out"
	fi
	nsenter -t "$owner" -m umount "$group/$limit_file"
	stop "a limit that cannot be read: the job goes on"
}

# The container's own cgroup is the root of what it sees.
container() {
	new_group container 64M
	if ! unshare -C -m true 2>/dev/null || [ "$limit_file" = memory.max ]; then
		skip "in a container" "no cgroup namespaces here, or v2"
		return
	fi
	# shellcheck disable=SC2016
	start 96 "$group" unshare -C -m sh -c 'mount --make-rprivate / && umount -l "$0" &&
		mount -t cgroup -o memory none "$0" && exec "$@"' "$top" ||
		{ fail "in a container" "it did not start" "$work/out"; return; }
	if [ "$(figure "$pid" cgroup)" = "$top" ] && [ "$(figure "$pid" cgroup_limit_bytes)" = $((64 << 20)) ]; then
		stop "in a container"
	else
		fail "in a container" "it follows $(figure "$pid" cgroup)" "$work/out"
		stop "in a container"
	fi
}

# By an owner that is not in the cgroup.
attached() {
	new_group attached 80M
	: >"$work/out"
	(inside "$group" "$victim" 56 0 0) >"$work/out" 2>&1 &
	timeout_pid=$!
	started="$started $timeout_pid"
	wait_ready "$timeout_pid" || { fail "attach -m cgroup" "no target" "$work/out"; return; }
	pid=$(children "$timeout_pid")
	pid=${pid%% *}
	"$VSWAP" attach -q -m cgroup "$pid" >"$work/err" 2>&1 &
	owner=$!
	started="$started $owner"
	if wait_for 60 follows "$group" && set_limit "$group" 65M && wait_for 60 is_attached "$pid"; then
		pass "attach follows the limit of the process's cgroup"
	else
		fail "attach -m cgroup" "it follows '$(figure "$pid" cgroup)'" "$work/err"
	fi
	kill -INT "$owner"
	wait "$owner" || fail "attach -m cgroup" "status $?" "$work/err"
	stop "attach: detached"
}

bad_input() {
	new_group free
	if [ "$(cat "$top/$limit_file" 2>/dev/null || echo max)" = max ] || [ "$limit_file" != memory.max ]; then
		refused 1 "no memory limit" "no limit" \
			sh -c "echo \$\$ >$group/cgroup.procs; exec $VSWAP run -m cgroup -- echo ran"
	fi
	set_limit "$group" 18M
	refused 1 "less than the least" "too small a limit" \
		sh -c "echo \$\$ >$group/cgroup.procs; exec $VSWAP run -m cgroup -- echo ran"
	if unshare -m true 2>/dev/null; then
		refused 1 "no memory cgroup" "no memory cgroup" unshare -m sh -c \
			"grep -E ' - cgroup2? ' /proc/self/mountinfo | cut -d ' ' -f 5 | xargs umount -l
			exec $VSWAP run -m cgroup -- echo ran"
	fi
	[ -z "$(left_behind)" ] || fail "bad input" "left behind: $(left_behind)"
}

need_built "$jobs"
if [ "$(id -u)" != 0 ] || ! new_group try 64M; then
	skip_all "no memory cgroup can be made here (root, and the memory controller)"
fi
for case in ${CGROUP:-killed_alone neighbours lowered vanished joined unreadable container attached bad_input}; do
	$case
done
finish
