#!/bin/sh
# SPDX-License-Identifier: MIT
# Backends come and go while a program reads and writes its pages: all are right, nobody was stopped.
# One that has nowhere to go, cannot be read, or is called off stays, and loses nothing.
. "$(dirname "$0")/../lib.sh"
need_vswap

toucher=$BUILD/tests/system/toucher
preload=$BUILD/tests/system/ill_device.so
ill=$work/ill
mkdir "$ill" "$work/fast" "$work/slow"

# start_job: a program with a fast backend, which is used first, and a slow one: $owner, $program.
start_job() {
	rm -f "$work/end" "$ill"/*
	: >"$work/out"
	ILL_DEVICE=$ill LD_PRELOAD=$preload "$VSWAP" run -q -m 24M \
		-b "file:$work/fast,name=fast,prio=2" -b "file:$work/slow,name=slow$1" -- \
		"$toucher" 64 "$work/end" >"$work/out" 2>"$work/err" &
	owner=$!
	started="$started $owner"
	wait_for 60 says "$work/out" ready || return 1
	program=$(find_named "$owner" toucher)
	wait_for 20 is_used fast
}

# used NAME: bytes on it.
used() {
	"$VSWAP" backend list --json "$program" | tr -d ' ,"' |
		sed -n "/^name:$1\$/,/}/s/^used_bytes:\\([0-9]*\\)/\\1/p"
}

is_used() {
	[ "$(used "$1")" -gt 1048576 ]
}

# ends NAME: the program's end, and what it saw.
ends() {
	rm -f "$ill"/*
	: >"$work/end"
	wait_for 30 says "$work/out" touches
	wait "$owner"
	if grep -q 'wrong 0 ' "$work/out"; then
		pass "$1, and no byte was wrong"
	else
		fail "$1" "wrong bytes" "$work/out"
	fi
}

remove() {
	timeout 100 "$VSWAP" backend remove "$@" >"$work/removed" 2>&1
}

moves() {
	start_job "" || { fail "a removal" "the job did not start" "$work/err"; return; }
	refused 1 "no backend 'tape'" "a name that nobody has" "$VSWAP" backend remove tape "$program"
	refused 1 'RAM' "RAM stays" "$VSWAP" backend remove ram "$program"
	if remove fast "$program" && grep -q '^fast: .* moved elsewhere' "$work/removed"; then
		pass "$(cat "$work/removed")"
	else
		fail "a removal" "it failed" "$work/removed"
	fi
	"$VSWAP" backend list "$program" >"$work/list"
	check "it is in no list" sh -c "! grep -q fast '$work/list'"
	check "its file is gone" [ -z "$(ls "$work/fast")" ]
	check "the other is used" is_used slow
	refused 1 'there is room for' "with nowhere to go nothing is moved" \
		"$VSWAP" backend remove slow "$program"
	ends "after a removal"
}

order() {
	start_job ",prio=1" || { fail "another order" "the job did not start" "$work/err"; return; }
	run "$VSWAP" backend set slow prio=3 "$program"
	check "another priority" [ "$status" = 0 ]
	check "the other is used from then on" wait_for 20 is_used slow
	ends "after another order"
}

# Its reads are slow, so that it takes long.
called_off() {
	start_job "" || { fail "called off" "the job did not start" "$work/err"; return; }
	echo "delay 300" >"$ill/always"
	"$VSWAP" backend remove fast "$program" >"$work/removed" 2>&1 &
	client=$!
	leaving() { "$VSWAP" backend list "$program" | grep -q 'fast.*leaving'; }
	check "a removal is seen in the list" wait_for 10 leaving
	refused 1 'another backend is being removed' "one at a time" \
		"$VSWAP" backend remove slow "$program"
	kill -TERM "$client"
	wait "$client"
	stays() { "$VSWAP" backend list "$program" | grep -q 'fast.*ok'; }
	check "without its client it is called off" wait_for 10 stays
	ends "after one that was called off"
}

unreadable() {
	start_job "" || { fail "unreadable" "the job did not start" "$work/err"; return; }
	echo "error 5" >"$ill/always"
	if remove fast "$program"; then
		fail "one that cannot be read stays" "it is gone"
	elif grep -q 'cannot be read' "$work/removed"; then
		pass "one that cannot be read stays"
	else
		fail "one that cannot be read stays" "it does not say why" "$work/removed"
	fi
	if remove --lose-unreadable fast "$program"; then
		pass "unless its pages are given up"
	else
		fail "unless its pages are given up" "it failed" "$work/removed"
	fi
	ends "after that"
}

# start_alone: the same in RAM alone, which is too little for it.
start_alone() {
	rm -f "$work/end"
	: >"$work/out"
	"$VSWAP" run -q -m 24M -- "$toucher" 64 "$work/end" >"$work/out" 2>"$work/err" &
	owner=$!
	started="$started $owner"
	wait_for 60 says "$work/out" ready || return 1
	program=$(find_named "$owner" toucher)
	swaps() { "$VSWAP" stat --json "$program" | grep -q '"swapped_out": *[1-9]'; }
	wait_for 20 swaps
}

add() {
	"$VSWAP" backend add "$1" "$program" >"$work/added" 2>&1
}

# What lies in RAM is used, with a word.
says_note() {
	"$VSWAP" backend add "$1" "$program" 2>"$work/note" >/dev/null &&
		grep -q 'lies in RAM' "$work/note" && remove shm "$program"
}

comes() {
	mkdir -p "$work/late" "$work/plain"
	start_alone || { fail "one that comes" "the job did not start" "$work/err"; return; }
	refused 1 'RAM is there already' "RAM need not be added" "$VSWAP" backend add ram "$program"
	refused 1 "$work/no" "a folder that is not there" "$VSWAP" backend add "file:$work/no/no" "$program"
	refused 2 'kind' "a kind that there is not" "$VSWAP" backend add tape:x "$program"
	refused 1 'size=512M' "a size of less than 1 MiB" "$VSWAP" backend add "file:$work,size=100K" "$program"
	refused 1 'name another' "a folder that takes no files" "$VSWAP" backend add file:/proc "$program"
	check "one is added, by a path from here" sh -c "cd '$work' && '$VSWAP' backend add file:late,name=late $program"
	check "what was in RAM leaves for it" wait_for 30 is_used late
	refused 1 'another name' "a name twice" "$VSWAP" backend add "file:$work/plain,name=late" "$program"
	check "a note comes to who asks" says_note "file:/dev/shm,name=shm"
	check "another one, not sealed, that is used first" add "file:$work/plain,name=plain,seal=no,prio=9"
	check "it is used" wait_for 30 is_used plain
	check "the first can go" remove late "$program"
	for round in 1 2 3; do
		add "file:$work/late,name=late$round,prio=$((round % 3 * 9))" &&
			wait_for 20 is_used plain && remove "late$round" "$program" || break
	done
	check "they come and go" [ "$round" = 3 ]
	ends "with those that came"
}

[ -e "$preload" ] || skip_all "no $preload"
for case in ${BACKENDS:-comes moves order called_off unreadable}; do
	$case
done
finish
