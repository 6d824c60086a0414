#!/bin/sh
# SPDX-License-Identifier: MIT
# All benchmarks, then the tables of docs/benchmarks.md and its plots.
#
#   bench/run.sh [--quick] [--only SECTION,...] ...     (bench/run.py says more)
#
# Takes some hours with the kernel's swaps beside vswap (root), --quick a few minutes. --quick and
# --only leave docs/ alone: results are in build/bench/results.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
: "${VSWAP_BUILD:=$here/../build}"
export VSWAP_BUILD
for need in "$VSWAP_BUILD/vswap" "$VSWAP_BUILD/bench/usemem"; do
	[ -x "$need" ] || { echo "bench: $need is missing: ./dev build" >&2; exit 1; }
done
for need in python3 redis-server redis-benchmark sqlite3 xz gcc gnuplot; do
	command -v $need >/dev/null || echo "bench: no $need here: what needs it is left out" >&2
done
exec python3 "$here/run.py" "$@"
