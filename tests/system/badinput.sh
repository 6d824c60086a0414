#!/bin/sh
# SPDX-License-Identifier: MIT
# What tests/cli does not try of bad input: a kernel that lacks something (a seccomp filter makes
# it say so), backends that are no place for data, processes that are no more. Each: one line that says
# what and how to go on, status 1, nothing left behind, the target unharmed.
. "$(dirname "$0")/../lib.sh"
need_vswap

without=$BUILD/tests/system/without

# A program above the budget: sets $pid. It checks its memory until it is told to end.
start_target() {
	: >"$work/target"
	"$victim" 48 0 0 >"$work/target" 2>&1 &
	pid=$!
	started="$started $pid"
	wait_for 30 says "$work/target" ready
}

# It has noticed nothing, and nobody traces it.
unharmed() {
	tracer=$(sed -n 's/^TracerPid:[[:space:]]*//p' "/proc/$pid/status")
	threads=$(sed -n 's/^Threads:[[:space:]]*//p' "/proc/$pid/status")
	kill -TERM "$pid"
	wait "$pid"
	status=$?
	if [ "$status" = 0 ] && [ "$tracer" = 0 ] && [ "$threads" = 1 ] && grep -q right "$work/target"; then
		pass "$1: the target is unharmed"
	else
		fail "$1: the target" "status $status, tracer $tracer, $threads threads" "$work/target"
	fi
}

# Attaching becomes necessary at once and is found impossible: said once, target left alone, and
# the owner goes on watching until it is told to stop.
left_alone() {
	start_target
	"$without" "$1" "$VSWAP" attach -q -m 16M "$pid" >"$work/out" 2>"$work/err" &
	owner=$!
	started="$started $owner"
	if ! wait_for 20 says "$work/err" "left alone: .*Function not implemented"; then
		fail "attach without $1" "does not say that it leaves it alone" "$work/err"
	fi
	sleep 1.2 # time passes on purpose: longer than it waits before it would try again
	kill -INT "$owner"
	wait "$owner"
	status=$?
	if [ "$status" = 0 ] && [ "$(wc -l <"$work/err")" = 1 ] && [ -z "$(left_behind)" ]; then
		pass "attach without $1: $(cut -c 1-90 "$work/err")"
	else
		fail "attach without $1" "status $status, left behind: $(left_behind)" "$work/err"
	fi
	unharmed "attach without $1"
}

doctor_names() {
	"$without" "$1" "$VSWAP" doctor >"$work/out" 2>&1
	status=$?
	if [ "$status" = 1 ] && grep -q "^ *missing  *$2 .*Function not implemented" "$work/out"; then
		pass "doctor without $1 names it"
	else
		fail "doctor without $1" "status $status" "$work/out"
	fi
}

kernel_lacks() {
	refused 1 "userfaultfd.*boot" "run without userfaultfd" \
		"$without" userfaultfd "$VSWAP" run -m 16M -- echo ran
	start_target
	refused 1 "userfaultfd.*boot" "attach without userfaultfd" \
		"$without" userfaultfd "$VSWAP" attach -m 16M "$pid"
	unharmed "attach without userfaultfd"
	refused 1 "seccomp filter" "run below a seccomp filter" \
		"$without" ptrace "$VSWAP" run -m 16M -- echo ran
	for call in ptrace pidfd_getfd process_vm_readv; do
		left_alone $call
	done
	doctor_names userfaultfd "userfaultfd features"
	doctor_names ptrace "ptrace of a child"
	doctor_names pidfd_getfd pidfd_getfd
	doctor_names process_vm_readv process_vm_readv
}

no_backends() {
	mkfifo "$work/fifo"
	for place in /dev/null "$work/fifo"; do
		refused 1 "no file, block device or folder" "a backend on ${place##*/}" \
			"$VSWAP" run -m 16M --backend "file:$place" -- echo ran
	done
	echo data >"$work/file"
	refused 1 "file/data" "a file as a folder" \
		"$VSWAP" run -m 16M --backend "file:$work/file/data" -- echo ran
	if [ "$(id -u)" = 0 ] && mkdir "$work/disk" && mount -t tmpfs -o size=4m none "$work/disk" 2>/dev/null; then
		mount -o remount,ro "$work/disk"
		refused 1 "disk" "a folder on a read-only file system" \
			"$VSWAP" run -m 16M --backend "file:$work/disk" -- echo ran
		refused 1 "cannot write" "statistics on a read-only file system" \
			"$VSWAP" run -m 16M --stats "$work/disk/stats" -- echo ran
		umount "$work/disk"
	else
		skip "a read-only file system" "needs root"
	fi
}

# A device that more than root and its group may use; and root's link to one that is right.
open_devices() {
	truncate -s 16M "$work/image"
	if ! device=$(losetup -f --show "$work/image" 2>/dev/null); then
		skip "a device that everybody may use" "needs root and a loop device"
		return
	fi
	mode=$(stat -c %a "$device")
	chmod 664 "$device"
	refused 1 "everybody may use.*chmod" "a device that everybody may use" \
		"$VSWAP" run -m 16M --backend "file:$device" -- echo ran
	chmod 660 "$device"
	ln -s "$device" "$work/link"
	if "$VSWAP" run -q -m 16M --backend "file:$work/link" -- true 2>"$work/err"; then
		pass "root's link to a device is followed"
	else
		fail "root's link to a device" "refused" "$work/err"
	fi
	chmod "$mode" "$device"
	losetup -d "$device"
}

no_processes() {
	# Its parent has become sleep, which waits for nobody.
	sh -c 'sleep 0 & echo $! >"$1"; exec sleep 20' sh "$work/zombie" &
	started="$started $!"
	wait_for 5 says "$work/zombie" . && wait_for 5 says "/proc/$(cat "$work/zombie")/status" '^State:.Z'
	refused 1 "has ended" "attach to a zombie" "$VSWAP" attach -m 16M "$(cat "$work/zombie")"
}

need_built "$without"
"$without" io_uring_setup true || skip_all "no seccomp filters here"
kernel_lacks
no_backends
open_devices
no_processes
check "nothing is left behind" [ -z "$(left_behind)" ]
finish
