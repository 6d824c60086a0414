#!/bin/sh
# SPDX-License-Identifier: MIT
# What the documents name is there: `file.c:function`, `name` in `src/file.c`, `test_name`, `path/to/file`,
# hazard/NAME, and scripts. A guard that was renamed is found here, not by who looks for it. Links lead to files,
# lines are at most 100 columns wide (tables and what programs write may be wider), and design.md is short.
cd "$(dirname "$0")/../.." || exit 1

documents="README.md docs/*.md tests/README.md"
passed=0 failed=0

missing() {
	failed=$((failed + 1))
	echo "FAIL: $1 is named in the documents and not there"
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
	files=$(files_of "${place%%:*}")
	# shellcheck disable=SC2086
	if [ -n "$files" ] && grep -qw "${place#*:}" $files; then
		passed=$((passed + 1))
	else
		missing "$place"
	fi
done
for place in $(named '`[a-z_0-9]+` in `src/[a-z_/0-9]+\.[ch]`' | sed 's/ in /:/'); do
	if grep -qw "${place%%:*}" "${place#*:}" 2>/dev/null; then
		passed=$((passed + 1))
	else
		missing "${place%%:*} in ${place#*:}"
	fi
done
for name in $(named '`test_[a-z_0-9]+`'); do
	if grep -rqw "$name" tests; then
		passed=$((passed + 1))
	else
		missing "$name"
	fi
done
for path in $(named '`(src|tests|bench|examples|include|docs)/[a-z_/0-9]+\.[a-z]+`'); do
	if [ -e "$path" ]; then
		passed=$((passed + 1))
	else
		missing "$path"
	fi
done
for name in $(named 'hazard/[a-z_]+' | sed 's|hazard/||'); do
	if [ -e "tests/hazard/$name.c" ]; then
		passed=$((passed + 1))
	else
		missing "hazard/$name"
	fi
done
for name in $(named '`(system/)?[a-z_]+\.sh`' | sed 's|.*/||'); do
	if [ -n "$(files_of "$name")" ]; then
		passed=$((passed + 1))
	else
		missing "$name"
	fi
done
for document in $documents; do
	for link in $(grep -oE '\]\([^)#:]+[)#]' "$document" | sed 's/^](//; s/[)#]$//'); do
		if [ -e "$(dirname "$document")/$link" ]; then
			passed=$((passed + 1))
		else
			missing "$document: $link"
		fi
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
