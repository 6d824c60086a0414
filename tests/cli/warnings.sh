#!/bin/sh
# SPDX-License-Identifier: MIT
# Description: clang compiles each source of the build with -Wall -Wextra -Werror. That gcc does is the
# check's own build.
cd "$(dirname "$0")/../.." || exit 1
build=${VSWAP_BUILD:-build}

command -v clang >/dev/null || { echo "skipped: no clang"; exit 77; }

# A line each: the options that sources share, and up to 16 of these.
commands() {
	python3 - "$build/compile_commands.json" <<-'END'
	import json, re, shlex, sys

	alike, seen = {}, set()
	for entry in json.load(open(sys.argv[1])):
	    if entry["file"] in seen:
	        continue
	    seen.add(entry["file"])
	    options = tuple(word for word in shlex.split(entry["command"])
	                    if re.match("-(W|D|std|m|f(?!sanitize)|I[^ ]*(src|include|[.][.])$)", word))
	    alike.setdefault((entry["directory"], options), set()).add(entry["file"])
	for (folder, options), files in alike.items():
	    files = sorted(files)
	    for first in range(0, len(files), 16):
	        print("cd", shlex.quote(folder), "&& clang -fsyntax-only -Werror",
	              shlex.join(options + tuple(files[first:first + 16])))
	END
}

all=$(commands)
[ "$(echo "$all" | wc -w)" -gt 300 ] || { echo "FAILED: no compile commands in $build"; exit 1; }
echo "$all" | tr '\n' '\0' | xargs -0 -n 1 -P "$(nproc)" sh -c || { echo "FAILED: clang warns"; exit 1; }
echo "no warning of clang in $(echo "$all" | grep -o '[^ ]*[.]c\b' | sort -u | wc -l) sources"
