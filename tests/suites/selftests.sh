#!/bin/bash
# SPDX-License-Identifier: MIT
# The kernel's own selftests (Debian's linux-source), each in a job of 16 MiB and made larger than that. Their
# verdict must be the one that they have without vswap.
#   SELFTESTS  folder of a kernel's source, unpacked (else /usr/src/linux-source-*.tar.xz)
#   ONLY       names of tests to run (all)
. "$(dirname "$0")/../lib.sh"
need_vswap

ballast=$BUILD/tests/suites/ballast.so
folders="mm vm futex/functional clone3 pidfd membarrier ipc mqueue sigaltstack timers splice"
# Known, and why: they register memory with a userfaultfd of their own, which vswap has registered already.
known='^(uffd-.*|userfaultfd|pagemap_ioctl|ksm_functional_tests)$'
# They take minutes, or all of the machine's memory, or are parts of others.
left_out='^(compaction_test|virtual_address_range|transhuge-stress|charge_reserved_hugetlb|.*hugetlb.*|hugepage-.*|gup_longterm|gup_test|khugepaged|split_huge_page_test|local_config|va_high_addr_switch|protection_keys.*|memory-failure|droppable|write_hugetlb_memory|nanosleep|inconsistency-check|leap.*|leapcrash|skew_consistency|raw_skew|clocksource-switch|set-.*|change_skew|adjtick|rtcpie|alarmtimer-suspend|nsleep-lat|threadtest|mq_perf_tests|freq-step|valid-adjtimex)$'

source=${SELFTESTS:-}
if [ -z "$source" ]; then
	archive=$(ls /usr/src/linux-source-*.tar.xz 2>/dev/null | tail -n 1)
	[ -n "$archive" ] || skip_all "no Debian package linux-source"
	mkdir "$work/linux"
	tar -xf "$archive" -C "$work/linux" --strip-components 1 --wildcards '*/tools/testing/selftests/*' \
		'*/tools/include/*' '*/include/uapi/*' '*/tools/arch/x86/include/*' || exit 1
	source=$work/linux
fi
tests=$source/tools/testing/selftests

# build FILE: into $work/bin; false when this machine's headers do not do.
build() {
	local name folder helpers=
	name=$(basename "$1" .c)
	folder=$(dirname "$1")
	for helper in vm_util thp_settings; do
		[ ! -f "$folder/$helper.c" ] || helpers="$helpers $folder/$helper.c"
	done
	# shellcheck disable=SC2086
	gcc -O1 -w -D_GNU_SOURCE -D__EXPORTED_HEADERS__= -I"$tests" -I"$folder" -I"$folder/../include" -I"$source/tools/include/uapi" \
		-I"$source/tools/include" "$1" $helpers -o "$work/bin/$name" -lpthread -lrt -lcap -lnuma >/dev/null 2>&1 ||
		gcc -O1 -w -D_GNU_SOURCE -I"$tests" -I"$folder" -I"$folder/../include" "$1" $helpers -o "$work/bin/$name" \
			-lpthread -lrt >/dev/null 2>&1
}

# verdict COMMAND...: how it ended and what it counted, in a form that two runs can be compared by.
verdict() {
	local status=0
	(cd "$work/tmp" && timeout -s KILL 60 "$@" >"$work/out" 2>&1 </dev/null) || status=$?
	echo "status $status, $(grep -c '^ *not ok' "$work/out") not ok"
}

mkdir "$work/bin"
unset plain paged
for folder in $folders; do
	for file in "$tests/$folder"/*.c; do
		name=$(basename "$file" .c)
		grep -q 'main *(' "$file" 2>/dev/null || continue
		[ -z "${ONLY:-}" ] || [[ " $ONLY " == *" $name "* ]] || continue
		[[ ! $name =~ $left_out ]] || continue
		if ! build "$file"; then
			skip "$folder/$name" "does not build with these headers"
			continue
		fi
		plain=$(verdict env LD_PRELOAD="$ballast" "$work/bin/$name")
		for try in 1 2; do
			paged=$(verdict "$VSWAP" run -q -m 16M -b "file:$work/tmp" -- env LD_PRELOAD="$ballast" \
				"$work/bin/$name")
			[ "$paged" != "$plain" ] || break
		done
		if [ "$paged" = "$plain" ]; then
			pass "$folder/$name: $plain"
		elif [[ $name =~ $known ]]; then
			skip "$folder/$name" "known: a userfaultfd of its own ($plain; under vswap: $paged)"
		else
			fail "$folder/$name" "$plain; under vswap: $paged" "$work/out"
		fi
	done
done
finish
