#!/bin/sh
# SPDX-License-Identifier: MIT
# The storm under budgets far below what it uses. STORM_PAGES pages in all (default 10^6),
# STORM_SEED to repeat one.
. "$(dirname "$0")/lib.sh"

pages=${STORM_PAGES:-1000000}
seed=${STORM_SEED:-$(date +%s)}
limit=${STORM_TIMEOUT:-$((300 + pages / 2000))}

# One run of it: NAME SHARE BUDGET [--backend SPEC] -- storm's options
run() {
	name=$1 share=$2 budget=$3
	shift 3
	backend=
	if [ "$1" != -- ]; then
		backend=$1
	else
		shift
	fi
	[ -z "$backend" ] || shift 2
	seed=$((seed + 1))
	# shellcheck disable=SC2086
	timeout -s KILL "$limit" "$VSWAP" run -q -m "$budget" ${backend:+--backend "$backend"} -- \
		"$storm" --pages $((pages * share / 100)) --seed "$seed" "$@" >"$work/out" 2>&1
	status=$?
	report=$(sed -n 's/^storm: \([0-9]* pages checked.*\)/\1/p' "$work/out" | tail -n 1)
	if [ "$status" = 0 ] && [ -n "$report" ]; then
		good "storm, $name: $report"
	elif [ "$status" = 137 ]; then
		bad "storm, $name" "did not end in $limit s, or was killed; seed $seed" "$work/out"
	else
		bad "storm, $name" "status $status, seed $seed" "$work/out"
	fi
}

[ -x "$storm" ] || { echo "skip: no $storm"; exit 77; }
run "a quarter" 40 16M -- --mib 64 --threads 4
run "one thread" 15 16M -- --mib 48 --threads 1
run "no forks" 15 16M -- --mib 64 --threads 3 --only -fork
run "many threads" 10 16M -- --mib 64 --threads 12
run "with a file" 20 16M "file:$work/tmp" -- --mib 64 --threads 3
finish
