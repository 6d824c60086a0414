# SPDX-License-Identifier: MIT
# What the scripts share. Each runs programs under build/vswap with tiny budgets, prints a
# line for each case and ends with "N passed, N failed[, N skipped]"; its status is 0 only
# when none failed, and 77 when nothing could be tried. Sourced, not run.
#
#   VSWAP   the binary (default: BUILD/vswap)
#   BUILD   the build folder (default: $VSWAP_BUILD, else build/ of the source tree)

root=$(cd "$(dirname "$0")/../.." && pwd)
BUILD=${BUILD:-${VSWAP_BUILD:-$root/build}}
VSWAP=${VSWAP:-$BUILD/vswap}
storm=$BUILD/tests/storm/storm
victim=$BUILD/tests/hazard/victim

passed=0 failed=0 skipped=0

good() {
	passed=$((passed + 1))
	echo "ok    $1"
}

bad() {
	failed=$((failed + 1))
	echo "FAIL  $1: $2"
	[ $# -lt 3 ] || tail -n 40 "$3" | sed 's/^/      /'
}

skip() {
	skipped=$((skipped + 1))
	echo "skip  $1: $2"
}

finish() {
	if [ "$skipped" = 0 ]; then
		echo "$passed passed, $failed failed"
	else
		echo "$passed passed, $failed failed, $skipped skipped"
	fi
	[ "$failed" = 0 ] || exit 1
	[ "$passed" != 0 ] || exit 77
	exit 0
}

have() {
	command -v "$1" >/dev/null 2>&1
}

# Everything temporary is here; an empty folder of its own for sockets and such shows
# what is left behind.
work=$(mktemp -d "${TMPDIR:-/tmp}/vswap-test.XXXXXX")
mkdir "$work/run" "$work/tmp"
chmod 700 "$work/run"
XDG_RUNTIME_DIR=$work/run
export XDG_RUNTIME_DIR
started=

# Ends what a case has started, by its own numbers.
cleanup() {
	for pid in $started; do
		kill -KILL "$pid" 2>/dev/null
	done
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

alive() {
	state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null)
	[ -n "$state" ] && [ "$state" != Z ] && [ "$state" != X ]
}

# wait_dead SECONDS PID...: true when all are gone in time.
wait_dead() {
	tries=$(($1 * 20))
	shift
	for pid in "$@"; do
		while alive "$pid"; do
			tries=$((tries - 1))
			[ "$tries" -gt 0 ] || return 1
			sleep 0.05
		done
	done
}

# wait_until SECONDS COMMAND...: until the command succeeds.
wait_until() {
	tries=$(($1 * 20))
	shift
	until "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.05
	done
}

# wait_for SECONDS FILE TEXT: until the text stands in the file.
wait_for() {
	wait_until "$1" grep -q "$3" "$2" 2>/dev/null
}

# wait_ready PID: until the program behind it has said so in $work/out; false when it has ended first.
wait_ready() {
	until grep -q ready "$work/out" 2>/dev/null; do
		alive "$1" || return 1
		sleep 0.05
	done
}

children() {
	cat "/proc/$1/task/"*/children 2>/dev/null
}

# All that descends from a process, itself last.
family() {
	for child in $(children "$1"); do
		family "$child"
	done
	echo "$1"
}

# find_named PID NAME: the process of that name among those.
find_named() {
	for one in $(family "$1"); do
		if [ "$(cat "/proc/$one/comm" 2>/dev/null)" = "$2" ]; then
			echo "$one"
			return
		fi
	done
}

kib() {
	sed -n "s/^$2:[[:space:]]*\([0-9]*\) kB/\1/p" "/proc/$1/status" 2>/dev/null
}

# Nothing of vswap may be left: no socket, no file.
left_behind() {
	find "$work/run" -mindepth 1 ! -type d 2>/dev/null | head -n 5
}

if [ ! -x "$VSWAP" ]; then
	echo "skip: no $VSWAP; run ./dev build first, or set BUILD or VSWAP"
	exit 77
fi
if ! "$VSWAP" doctor >"$work/doctor" 2>&1; then
	echo "skip: this machine cannot run it; vswap doctor says:"
	cat "$work/doctor"
	exit 77
fi
