# SPDX-License-Identifier: MIT
# What the scripts share. Sourced first, not run. A script prints a line for each case and ends with
# `finish`: "N passed, N failed[, N skipped]"; its status is 0 only when none failed, and 77 when
# nothing could be tried.
#
#   VSWAP   the binary (default: BUILD/vswap)
#   BUILD   the build folder (default: $VSWAP_BUILD, else build/ of the source tree)

root=$(cd "$(dirname "$0")/../.." && pwd)
BUILD=${BUILD:-${VSWAP_BUILD:-$root/build}}
BUILD=$(cd "$BUILD" && pwd)
VSWAP=${VSWAP:-$BUILD/vswap}
storm=$BUILD/tests/storm/storm
victim=$BUILD/tests/hazard/victim

# Everything temporary is here: files of backends in tmp, sockets in run, so that other spaces of this
# user are not seen and what is left behind is.
work=$(mktemp -d "${TMPDIR:-/tmp}/vswap-test.XXXXXX")
mkdir "$work/run" "$work/tmp"
chmod 700 "$work/run"
XDG_RUNTIME_DIR=$work/run
export XDG_RUNTIME_DIR
started= # the processes that are ended with the script, by their own numbers

cleanup() {
	for one in $started; do
		kill -KILL "$one" 2>/dev/null
	done
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

# ---- verdicts ----

passed=0 failed=0 skipped=0

pass() {
	passed=$((passed + 1))
	echo "ok    $1"
}

# fail NAME [WHY [FILE]]: the end of the file is shown.
fail() {
	failed=$((failed + 1))
	echo "FAIL  $1${2:+: $2}"
	[ $# -lt 3 ] || tail -n 40 "$3" 2>/dev/null | sed 's/^/      /'
}

# skip NAME WHY
skip() {
	skipped=$((skipped + 1))
	echo "skip  $1: $2"
}

# skip_all WHY: nothing of the script can be tried here.
skip_all() {
	echo "skip: $1"
	exit 77
}

finish() {
	line="$passed passed, $failed failed"
	[ "$skipped" = 0 ] || line="$line, $skipped skipped"
	echo "$line"
	[ "$failed" = 0 ] || exit 1
	[ "$passed" != 0 ] || exit 77
	exit 0
}

# check NAME COMMAND...: passes when the command succeeds.
check() {
	checked=$1
	shift
	if "$@"; then pass "$checked"; else fail "$checked" "$*" "$work/err"; fi
}

# judge NAME STATUS [TEXT]: of a run whose output is in $work/out: status 0, and it says the text, which is
# shown.
judge() {
	if [ "$2" = 137 ]; then
		fail "$1" "killed, or did not end in time" "$work/out"
	elif [ "$2" != 0 ]; then
		fail "$1" "status $2" "$work/out"
	elif [ $# = 3 ] && ! grep -q "$3" "$work/out"; then
		fail "$1" "it does not say '$3'" "$work/out"
	else
		said=$([ $# != 3 ] || grep "$3" "$work/out" | tail -n 1 | sed 's/^[a-z]*: //')
		pass "$1${said:+: $said}"
	fi
}

# ---- running ----

have() {
	command -v "$1" >/dev/null 2>&1
}

# Ends the script where vswap cannot work at all.
need_vswap() {
	[ -x "$VSWAP" ] || skip_all "no $VSWAP; run ./dev build first, or set BUILD or VSWAP"
	"$VSWAP" doctor >"$work/doctor" 2>&1 && return
	cat "$work/doctor"
	skip_all "this machine cannot run it; vswap doctor says why"
}

# need_built FILE...: each must be there.
need_built() {
	for one in "$@"; do
		[ -x "$one" ] || skip_all "no $one; run ./dev build first"
	done
}

# run COMMAND...: leaves its status in $status, its output in $work/out and $work/err.
run() {
	status=0
	timeout 60 "$@" >"$work/out" 2>"$work/err" </dev/null || status=$?
}

# refused STATUS PATTERN NAME COMMAND...: ends with STATUS and one line that matches (and perhaps "Try ...");
# nothing has run.
refused() {
	want=$1 pattern=$2 checked=$3
	shift 3
	run "$@"
	if [ "$status" != "$want" ]; then
		fail "$checked" "status $status, not $want" "$work/err"
	elif ! grep -qE "$pattern" "$work/err"; then
		fail "$checked" "no line matches: $pattern" "$work/err"
	elif [ "$(grep -cv '^Try ' "$work/err")" != 1 ]; then
		fail "$checked" "more than one line" "$work/err"
	elif [ -s "$work/out" ]; then
		fail "$checked" "something has run" "$work/out"
	else
		pass "$checked"
	fi
}

# paged SECONDS BUDGET [OPTION...] -- COMMAND...: the command in a space of its own, killed if it takes longer.
# Returns its status; output and messages are in $work/out.
paged() {
	longest=$1 budget=$2
	shift 2
	timeout -s KILL "$longest" "$VSWAP" run -q -m "$budget" "$@" >"$work/out" 2>&1
}

# start_paged BUDGET [OPTION...] -- COMMAND...: the same in the background, for as long as the script: $owner.
start_paged() {
	budget=$1
	shift
	: >"$work/out" # what the last one said is not this one's
	"$VSWAP" run -q -m "$budget" "$@" >"$work/out" 2>&1 &
	owner=$!
	started="$started $owner"
}

# random_pause MS: time passes on purpose, less than that, each time another one.
random_pause() {
	moment=$(((${moment:-$(date +%s)} * 137 + 211) % $1))
	sleep "$(printf '%d.%03d' $((moment / 1000)) $((moment % 1000)))"
}

# ---- waiting ----

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
	turns=$(($1 * 20))
	shift
	until "$@" 2>/dev/null; do
		turns=$((turns - 1))
		[ "$turns" -gt 0 ] || return 1
		sleep 0.05
	done
}

# says FILE TEXT
says() {
	grep -q -e "$2" "$1" 2>/dev/null
}

# wait_ready PID: until the program behind it has said so in $work/out; false when it has ended first.
wait_ready() {
	until says "$work/out" ready; do
		alive "$1" || return 1
		sleep 0.05
	done
}

all_gone() {
	for one in "$@"; do
		! alive "$one" || return 1
	done
}

# ends_with STATUS PID: our child PID ends soon, and so.
ends_with() {
	wait_for 20 all_gone "$2" || return 1
	code=0
	wait "$2" || code=$?
	[ "$code" = "$1" ]
}

# ---- processes ----

state_of() {
	sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null
}

state_is() {
	[ "$(state_of "$1")" = "$2" ]
}

alive() {
	case $(state_of "$1") in '' | Z | X) return 1 ;; esac
}

name_of() {
	cat "/proc/$1/comm" 2>/dev/null
}

name_is() {
	[ "$(name_of "$1")" = "$2" ]
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
		if name_is "$one" "$2"; then
			echo "$one"
			return
		fi
	done
}

# kib PID NAME: a size of /proc/PID/status.
kib() {
	sed -n "s/^$2:[[:space:]]*\([0-9]*\) kB/\1/p" "/proc/$1/status" 2>/dev/null
}

# ---- spaces ----

# figure PID NAME: the first of that name in the report of the process's space, without quotes.
figure() {
	"$VSWAP" stat --json "$1" 2>/dev/null 7>&- 8>&- 9>&- |
		sed -n "s/^ *\"$2\": *\"\{0,1\}\([^\",]*\).*/\1/p" | head -n 1
}

has_space() {
	"$VSWAP" stat "$1" >/dev/null 2>&1 7>&- 8>&- 9>&-
}

# Something of the process's job has been attached.
is_attached() {
	[ "$(figure "$1" attached)" = true ]
}

# Nothing of vswap may be left: no socket, no file.
left_behind() {
	find "$work/run" -mindepth 1 ! -type d 2>/dev/null | head -n 5
}
