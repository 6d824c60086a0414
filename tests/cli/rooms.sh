#!/bin/sh
# SPDX-License-Identifier: MIT
# Description: every folder of sources is a room of src/rooms, and no file includes another way than
# that says.
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
}' rooms
