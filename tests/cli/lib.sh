# SPDX-License-Identifier: MIT
# What the shell tests share. A test reads it first, calls expect* and ends with `finish`.

: "${VSWAP_BUILD:=$(dirname "$0")/../../build}"
VSWAP_BUILD=$(cd "$VSWAP_BUILD" && pwd)
vswap=$VSWAP_BUILD/vswap
victim=$VSWAP_BUILD/tests/cli/victim
work=$(mktemp -d)
# Its own place for sockets, so that other spaces of this user are not seen.
export XDG_RUNTIME_DIR="$work"
passed=0 failed=0 skipped=0
status=0

clean() {
	for pid in ${started:-}; do kill -KILL "$pid" 2>/dev/null; done
	rm -rf "$work"
}
trap clean EXIT
trap 'exit 1' INT TERM

pass() {
	passed=$((passed + 1))
	echo "ok: $1"
}

fail() {
	failed=$((failed + 1))
	echo "FAILED: $1"
	[ -z "${2:-}" ] || echo "  $2"
	sed 's/^/  stderr: /' "$work/err" 2>/dev/null
}

skip() {
	skipped=$((skipped + 1))
	echo "skipped: $1"
}

# check DESCRIPTION COMMAND...: passes when the command succeeds.
check() {
	what=$1
	shift
	if "$@"; then pass "$what"; else fail "$what" "$*"; fi
}

# run COMMAND...: leaves its status in $status, its output in $work/out and $work/err.
run() {
	status=0
	timeout 60 "$@" >"$work/out" 2>"$work/err" </dev/null || status=$?
}

# refused STATUS PATTERN DESCRIPTION COMMAND...: ends with STATUS and an error line that matches.
refused() {
	want=$1 pattern=$2 what=$3
	shift 3
	run "$@"
	if [ "$status" != "$want" ]; then
		fail "$what" "status $status, not $want"
	elif ! grep -qE "$pattern" "$work/err"; then
		fail "$what" "no line matches: $pattern"
	elif [ "$(grep -cv '^Try ' "$work/err")" != 1 ]; then
		fail "$what" "more than one line"
	else
		pass "$what"
	fi
}

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
	turns=$(($1 * 20))
	shift
	while ! "$@" 2>/dev/null; do
		turns=$((turns - 1))
		[ $turns -gt 0 ] || return 1
		sleep 0.05
	done
}

state_of() {
	sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -c1
}

state_is() {
	[ "$(state_of "$1")" = "$2" ]
}

is_gone() {
	state=$(state_of "$1")
	[ -z "$state" ] || [ "$state" = Z ]
}

# ends_with STATUS PID: our child PID ends soon, and so.
ends_with() {
	wait_for 20 is_gone "$2" || return 1
	code=0
	wait "$2" || code=$?
	[ "$code" = "$1" ]
}

# Ends the script early where vswap cannot work at all.
need_vswap() {
	"$vswap" doctor >/dev/null && return
	echo "skipped: vswap cannot work here: $vswap doctor"
	exit 77
}

finish() {
	line="$passed passed, $failed failed"
	[ "$skipped" = 0 ] || line="$line, $skipped skipped"
	echo "$line"
	[ "$failed" = 0 ]
	exit
}
