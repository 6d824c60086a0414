#!/bin/sh
# SPDX-License-Identifier: MIT
# Description: every folder of sources is a room of src/rooms, no file includes another way than that
# says, and no files call each other in a circle.
cd "$(dirname "$0")/../../src" || exit 1

find . -name '*.[ch]' | sed 's/^..//' | sort | xargs awk '
function folder(file) { sub("/[^/]*$", "", file); return file }
function wrong(what) { print "FAILED: " what; failed = 1 }
FILENAME == "rooms" {
	sub("#.*", "")
	for (i = 1; i <= NF; i++) uses[$1, $i]
	next
}
FNR == 1 && !((folder(FILENAME), folder(FILENAME)) in uses) {
	wrong(FILENAME " is in no room of src/rooms")
}
/^#include "/ {
	split($0, part, "\"")
	includes++
	if (part[2] == "vswap.h") next
	if (!((folder(FILENAME), folder(part[2])) in uses))
		wrong(FILENAME " includes " part[2] ": src/rooms does not allow it")
	if (part[2] ~ "private.h$" && folder(FILENAME) != folder(part[2]))
		wrong(FILENAME " includes " part[2] " of another room")
}
END {
	if (failed) exit 1
	print includes " includes, all as src/rooms says"
}' rooms || exit 1

# Which file calls which, by the objects: no circle.
build=${VSWAP_BUILD:-../build}
calls=$(nm -A "$build"/libvswap-core.a.p/*.o "$build"/libvswap-program.a.p/*.o | awk '
{
	file = $1
	sub(".*/src_", "", file)
	sub("[.]c[.]o:.*", "", file)
	symbol = $NF
	if ($(NF - 1) == "U") needs[file, symbol] = file
	else if ($(NF - 1) ~ "^[TDBR]$") defines[symbol] = file
}
END {
	for (need in needs) {
		split(need, part, SUBSEP)
		to = defines[part[2]]
		if (to != "" && to != needs[need]) print needs[need], to
	}
}' | sort -u)
[ "$(echo "$calls" | wc -l)" -gt 100 ] || { echo "FAILED: no calls found in $build"; exit 1; }
circle=$(echo "$calls" | tsort 2>&1 >/dev/null) || {
	echo "FAILED: files call each other in a circle:"
	echo "$circle"
	exit 1
}
echo "$(echo "$calls" | wc -l) files that call another, no circle"
