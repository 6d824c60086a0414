#!/bin/sh
# SPDX-License-Identifier: MIT
# A backend's device that is slow or fails. Only who needs the bytes waits; what may pass is waited
# for; what cannot be read is kept, and is no page of zeros.
#
#   DEVICES="slow lost"   some cases only
. "$(dirname "$0")/../lib.sh"
need_vswap

toucher=$BUILD/tests/system/toucher
preload=$BUILD/tests/system/ill_device.so
ill=$work/ill
mkdir "$ill" "$work/disk"

# start_job COMMAND: runs it with the device; waits for so many "ready" as $1 says.
start_job() {
	rm -f "$work/end" "$ill"/*
	: >"$work/out"
	: >"$work/err"
	ILL_DEVICE=$ill LD_PRELOAD=$preload "$VSWAP" run -q -m 24M -b "file:$work/disk" -- \
		sh -c "$2" >"$work/out" 2>"$work/err" &
	owner=$!
	started="$started $owner"
	wait_for 60 are_ready "$1"
}

are_ready() {
	[ "$(grep -c ready "$work/out")" = "$1" ]
}

job() {
	find_named "$owner" sh
}

# become WHEN WHAT: as ill_device.c reads it.
become() {
	echo "$2" >"$ill/new"
	mv "$ill/new" "$ill/$1"
}

stop_job() {
	rm -f "$ill/always" # else what waits for the device does not end
	: >"$work/end"
	wait "$owner"
}

# figure NAME: of each toucher, the lowest first.
figure() {
	sed -n "s/.*\<$1 \([0-9]*\).*/\1/p" "$work/out" | sort -n | tr '\n' ' '
}

slow() {
	name="a read that takes 6 s holds up nobody else"
	if ! start_job 2 "'$toucher' 40 '$work/end' & '$toucher' 40 '$work/end' & wait"; then
		fail "$name" "it did not start" "$work/err"
		return
	fi
	become once "delay 6000"
	wait_for 20 test ! -e "$ill/once"
	sleep 7 # time passes on purpose: the read takes 6 s
	stop_job
	worst=$(figure worst_ms)
	if [ "$(figure wrong)" = "0 0 " ] && [ "${worst%% *}" -lt 4000 ] &&
		[ "$(echo "$worst" | cut -d' ' -f2)" -ge 5900 ]; then
		pass "$name (worst faults of both: $worst ms)"
	else
		fail "$name" "worst faults: $worst ms" "$work/out"
	fi
}

# An outage of any length costs no page: detach refuses while it lasts.
outage() {
	if ! start_job 1 "'$toucher' 48 '$work/end' & wait"; then
		fail outage "it did not start" "$work/err"
		return
	fi
	become once "error 12"
	wait_for 20 test ! -e "$ill/once"
	become always "error 5"
	sleep 2 # time passes on purpose: it is tried again and again
	rm "$ill/always"
	sleep 0.5 # and once more, after which nothing may come
	if grep -q bus "$work/out" || [ "$(grep -c 'reading failed' "$work/err")" != 1 ]; then
		fail "an error that passes is waited for, and told once" "$(cat "$work/err")" "$work/out"
	else
		pass "an error that passes is waited for, and told once"
	fi
	become always "error 5"
	if wait_for 40 says "$work/out" bus; then
		pass "one that does not pass raises SIGBUS"
	else
		fail "one that does not pass raises SIGBUS" "none in 40 s" "$work/err"
	fi
	if timeout 60 "$VSWAP" detach "$(job)" >"$work/detach" 2>&1; then
		fail "detach refuses what it cannot read" "it let go"
	elif grep -q 'pages cannot be read from backend' "$work/detach"; then
		pass "detach refuses what it cannot read"
	else
		fail "detach refuses what it cannot read" "it does not say why" "$work/detach"
	fi
	rm "$ill/always"
	if timeout 60 "$VSWAP" detach "$(job)" >"$work/detach" 2>&1; then
		pass "and brings it back when it can"
	else
		fail "and brings it back when it can" "status $?" "$work/detach"
	fi
	: >"$work/end"
	wait_for 20 says "$work/out" touches
	if [ "$(figure wrong)" = "0 " ]; then
		pass "and no byte was wrong"
	else
		fail "and no byte was wrong" "wrong: $(figure wrong)" "$work/out"
	fi
	wait "$owner"
}

lost() {
	name="detach --lose-unreadable gives up what cannot be read, and only that"
	if ! start_job 1 "'$toucher' 48 '$work/end' & wait"; then
		fail "$name" "it did not start" "$work/err"
		return
	fi
	become always "error 5"
	if ! timeout 100 "$VSWAP" detach --lose-unreadable "$(job)" >"$work/detach" 2>&1; then
		fail "$name" "it failed" "$work/detach"
		stop_job
		return
	fi
	rm "$ill/always"
	wait_for 20 says "$work/out" bus
	stop_job
	if [ "$(figure wrong)" = "0 " ] && [ "$(figure bus)" != "0 " ]; then
		pass "$name"
	else
		fail "$name" "bus: $(figure bus), wrong: $(figure wrong)" "$work/out"
	fi
}

[ -e "$preload" ] || skip_all "no $preload"
for case in ${DEVICES:-slow outage lost}; do
	$case
done
finish
