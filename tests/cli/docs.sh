#!/bin/sh
# SPDX-License-Identifier: MIT
# What the documents name is there: `file.c:function`, `name` in `src/file.c`, `test_name`, `path/to/file`,
# hazard/NAME, and scripts. A guard that was renamed is found here, not by who looks for it. Links lead to files,
# lines are at most 100 columns wide (tables and what programs write may be wider), and design.md is short.
cd "$(dirname "$0")/../.." || exit 1

documents="README.md docs/*.md tests/README.md"
passed=0 failed=0

# there NAME COMMAND...: what the documents name is there if the command succeeds.
there() {
	what=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL: $what is named in the documents and not there"
	fi
}

# named PATTERN: each place once, without the quotes.
named() {
	# shellcheck disable=SC2086
	grep -ohE "$1" $documents | tr -d '`' | sort -u
}

# The files that a name without its folder may mean.
files_of() {
	find src include tests bench examples -path "*/$1" -type f
}

for place in $(named '`[a-z_/0-9]+\.[ch]:[a-z_0-9]+`'); do
	# shellcheck disable=SC2046
	there "$place" grep -qw "${place#*:}" $(files_of "${place%%:*}") /dev/null
done
for place in $(named '`[a-z_0-9]+` in `src/[a-z_/0-9]+\.[ch]`' | sed 's/ in /:/'); do
	there "${place%%:*} in ${place#*:}" grep -qsw "${place%%:*}" "${place#*:}"
done
for name in $(named '`test_[a-z_0-9]+`'); do
	there "$name" grep -rqw "$name" tests
done
for path in $(named '`(src|tests|bench|examples|include|docs)/[a-z_/0-9]+\.[a-z]+`'); do
	there "$path" [ -e "$path" ]
done
for name in $(named 'hazard/[a-z_]+' | sed 's|hazard/||'); do
	there "hazard/$name" [ -e "tests/hazard/$name.c" ]
done
for name in $(named '`(system/)?[a-z_]+\.sh`' | sed 's|.*/||'); do
	there "$name" [ -n "$(files_of "$name")" ]
done
for document in $documents; do
	for link in $(grep -oE '\]\([^)#:]+[)#]' "$document" | sed 's/^](//; s/[)#]$//'); do
		there "$document: $link" [ -e "$(dirname "$document")/$link" ]
	done
	wide=$(sed '/^<!-- begin/,/^<!-- end/d' "$document" | LC_ALL=C.UTF-8 grep -E '^.{101}' | grep -v '^|')
	if [ -z "$wide" ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL: lines of $document are wider than 100 columns:"
		echo "$wide"
	fi
done
# How and why, room by room. What grows longer has a page of its own.
if [ "$(wc -l <docs/design.md)" -lt 400 ]; then
	passed=$((passed + 1))
else
	failed=$((failed + 1))
	echo "FAIL: docs/design.md has $(wc -l <docs/design.md) lines; let it have fewer than 400"
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
