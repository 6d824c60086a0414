#!/bin/sh
# SPDX-License-Identifier: MIT
# Description: every folder of sources is a room of src/rooms, no file includes another way than that
# says, no header is included that is private to others, each source has its header, and no files call
# each other in a circle.
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
	included[FILENAME, part[2]]
}
# A header that says who may include it.
FNR < 12 && match($0, "Private to src/[a-z/]*") { private[FILENAME] = substr($0, RSTART + 15, RLENGTH - 15) "/" }
END {
	for (one in included) {
		split(one, part, SUBSEP)
		if (part[2] in private && index(part[1], private[part[2]]) != 1)
			wrong(part[1] " includes " part[2] ", which is private to " private[part[2]])
	}
	if (failed) exit 1
	print includes " includes, all as src/rooms says"
}' rooms || exit 1

# A source has a header of its name. A verb's is cli.h, libvswap's include/vswap.h; the word codec has one
# header and two sources; programs have none.
for source in $(find . -name '*.c' | sed 's/^..//'); do
	[ ! -e "${source%.c}.h" ] || continue
	case $source in lib/vswap.c | codec/codec_word_avx512.c) continue ;; esac
	grep -qE '^int (main|verb_[a-z]+)\(' "$source" || { echo "FAILED: $source has no header"; exit 1; }
done

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
