#!/bin/sh
# SPDX-License-Identifier: MIT
# Compiles the agent without the build's own flags (no sanitizer, no coverage) and
# checks that it is one section that refers to nothing outside itself.
# usage: build-agent.sh OUTPUT COMPILER ARGUMENTS...
set -eu
output=$1
shift
"$@" -o "$output"
if ! readelf -rW "$output" | grep -q 'There are no relocations'; then
	echo "build-agent.sh: the agent refers to something outside itself:" >&2
	readelf -rW "$output" >&2
	rm -f "$output"
	exit 1
fi
if readelf -SW "$output" | grep -E ' \.(text|data|bss|rodata)[^ ]* ' | grep -vqE ' 000000 00 +[WAX]'; then
	echo "build-agent.sh: the agent has code or data outside its section:" >&2
	readelf -SW "$output" >&2
	rm -f "$output"
	exit 1
fi
