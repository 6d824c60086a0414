#!/bin/sh
# SPDX-License-Identifier: MIT
# What leaves RAM for a file: nothing of it can be read there, and what somebody changes, moves or puts
# back raises SIGBUS in the program, which never sees a wrong byte. The same with seal=no shows
# that the test would find it.
. "$(dirname "$0")/../lib.sh"
need_vswap

have python3 || skip_all "no python3"

# 40 MiB of pages that do not compress, each with a mark; checked when a line comes in.
cat >"$work/program.py" <<'END'
import mmap, os, sys
pages = 10000
memory = mmap.mmap(-1, pages * 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
seed = os.urandom(4096 + 2 * pages)
mark = sys.argv[1].encode()
def contents(i):
    return seed[2 * i : 2 * i + 4000] + b"%08d" % i + mark
for i in range(pages):
    page = contents(i)
    memory[i * 4096 : i * 4096 + len(page)] = page
print("ready", flush=True)
sys.stdin.readline()
wrong = 0
for i in range(pages):
    page = contents(i)
    wrong += memory[i * 4096 : i * 4096 + len(page)] != page
print("wrong", wrong, flush=True)
END

# Swaps neighbouring blocks all over the file: each object is then another one, or half of it.
cat >"$work/forge.py" <<'END'
import os, sys
file = os.open(sys.argv[1], os.O_RDWR)
size = os.fstat(file).st_size
for at in range(0, size, 1 << 20):
    one, other = (os.pread(file, 4128 * 16, at + i * 4128 * 16) for i in range(2))
    if any(one) and any(other):
        os.pwrite(file, other + one, at)
os.fsync(file)
END

# start SEAL: the program in 16 MiB with $work/disk behind it. It waits for a line on descriptor 9.
start() {
	rm -f "$work/disk" "$work/input"
	(umask 077 && : >"$work/disk")
	mkfifo "$work/input"
	: >"$work/out"
	timeout 100 "$VSWAP" run -q -m 16M -b "file:$work/disk,size=200M,seal=$1" -- \
		python3 "$work/program.py" a-mark-"that"-is-nowhere-else <"$work/input" >"$work/out" 2>"$work/err" &
	owner=$!
	started="$started $owner"
	exec 9>"$work/input"
	wait_for 60 says "$work/out" ready || fail "seal=$1" "not ready" "$work/err"
	wait_for 20 is_written
}

is_written() {
	[ "$(stat -c %b "$work/disk")" -ge 20000 ]
}

end() {
	echo >&9
	exec 9>&-
	wait "$owner"
	status=$?
}

start no
grep -q a-mark-that "$work/disk" && pass "seal=no: the mark is in the file" ||
	fail "seal=no" "the mark is not found in what is written"
end
grep -q "wrong 0" "$work/out" || fail "seal=no" "wrong pages" "$work/out"

start yes
if ! is_written; then
	fail "sealed" "little was written"
elif grep -q a-mark-that "$work/disk"; then
	fail "sealed" "the mark can be read in the file"
else
	pass "sealed: the mark is not in the file"
fi
end
if [ "$status" = 0 ] && grep -q "wrong 0" "$work/out"; then
	pass "sealed: all pages come back"
else
	fail "sealed" "status $status" "$work/out"
fi

start yes
python3 "$work/forge.py" "$work/disk"
end
if [ "$status" = 135 ] && ! grep -q wrong "$work/out"; then
	pass "moved objects raise SIGBUS"
else
	fail "moved objects" "status $status" "$work/out"
fi
finish
