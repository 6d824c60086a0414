#!/bin/sh
# SPDX-License-Identifier: MIT
# A few ordinary programs: what they print under vswap is bit for bit what they print without.
. "$(dirname "$0")/../lib.sh"
need_vswap

# same NAME BUDGET COMMAND: output and status are as without vswap.
same() {
	name=$1 budget=$2
	shift 2
	timeout 60 "$@" <"$work/input" >"$work/plain" 2>"$work/plain.err"
	plain=$?
	timeout 120 "$VSWAP" run -q -m "$budget" --backend "file:$work/tmp" -- "$@" <"$work/input" >"$work/swapped" \
		2>"$work/swapped.err"
	swapped=$?
	if [ "$plain" != "$swapped" ]; then
		fail "$name" "status $swapped instead of $plain" "$work/swapped.err"
	elif ! cmp -s "$work/plain" "$work/swapped"; then
		fail "$name" "its output differs" "$work/swapped.err"
	elif ! cmp -s "$work/plain.err" "$work/swapped.err"; then
		fail "$name" "its messages differ" "$work/swapped.err"
	else
		pass "$name"
	fi
}

awk 'BEGIN { for (i = 0; i < 300000; i++) printf "%d line %d of some text\n", (i * 7919) % 300007, i }' \
	>"$work/input"
same "true" 16M true
same "sha256sum" 16M sha256sum
same "sort, in memory" 16M sort -S 200M -n
if have python3; then
	same "a Python dictionary" 24M python3 -c '
d = {i: str(i) * 3 for i in range(200000)}
e = sorted(d.items(), key=lambda x: x[1])
print(sum(hash(k) for k, v in e), len(e), e[1000], all(d[k] == str(k) * 3 for k in d))'
else
	skip "python3" "not installed"
fi
finish
