#!/bin/sh
# SPDX-License-Identifier: MIT
# The storm under budgets far below what it uses. STORM_PAGES pages in all (default 700000),
# STORM_SEED to repeat one.
. "$(dirname "$0")/../lib.sh"
need_vswap

pages=${STORM_PAGES:-700000}
seed=${STORM_SEED:-$(date +%s)}
limit=${STORM_TIMEOUT:-$((300 + pages / 2000))}

# run_one BUDGET NAME SHARE OPTIONS-OF-RUN PROGRAM OPTIONS...
run_one() {
	budget=$1 name=$2 share=$3 behind=$4
	shift 4
	seed=$((seed + 1))
	# shellcheck disable=SC2086
	paged "$limit" "$budget" $behind -- "$@" --pages $((pages * share / 100)) --seed "$seed"
	judge "storm, $name (seed $seed)" $? 'pages checked'
}

# rage NAME SHARE OPTIONS-OF-RUN OPTIONS...: one run of the storm.
rage() {
	rage_name=$1 rage_share=$2 rage_behind=$3
	shift 3
	run_one 16M "$rage_name" "$rage_share" "$rage_behind" "$storm" "$@"
}

need_built "$storm"
rage "a quarter" 40 "" --mib 64 --threads 4
rage "one thread" 15 "" --mib 48 --threads 1
rage "no forks" 15 "" --mib 64 --threads 3 --only -fork
rage "many threads" 10 "" --mib 64 --threads 12
rage "with a file" 20 "-b file:$work/tmp" --mib 64 --threads 3
run_one 28M "areas of many threads" 60 "" "$BUILD/tests/storm/areas"
run_one 20M "areas of four threads" 20 "" "$BUILD/tests/storm/areas" --threads 4
finish
