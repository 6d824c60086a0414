#!/bin/bash
# SPDX-License-Identifier: MIT
# check.sh bookworm|trixie: a clean Debian in a folder; vswap is built and installed there; a user logs in,
# does what `vswap doctor` says, and pages a program that forks. Needs root, debootstrap and Debian's packages.
set -eu
release=$1
source=$(cd "$(dirname "$0")/../.." && pwd)
root=$(mktemp -d "${TMPDIR:-/var/tmp}/vswap-$release.XXXXXX")
chmod 755 "$root"
passed=0 failed=0

clean() {
	for mount in proc dev/pts dev; do
		mountpoint -q "$root/$mount" && umount -l "$root/$mount"
	done
	rm -rf --one-file-system "$root"
}
trap clean EXIT
trap 'exit 1' INT TERM

say() {
	echo "$release: $*"
}

# check DESCRIPTION COMMAND...
check() {
	local what=$1
	shift
	if "$@" >"$root/out" 2>&1; then
		passed=$((passed + 1))
		say "ok: $what"
	else
		failed=$((failed + 1))
		say "FAILED: $what"
		sed 's/^/  /' "$root/out" | tail -n 20
	fi
}

inside() {
	env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive \
		chroot "$root" "$@"
}

# as USER COMMAND-LINE: as after a login.
as() {
	inside su -l "$1" -c "$2"
}

refuses() {
	! "$@"
}

# A /dev of its own: what setup does to the device must not reach this machine's.
make_devices() {
	local minor
	minor=$(awk '$2 == "userfaultfd" { print $1 }' /proc/misc)
	mount -t tmpfs -o mode=755 vswap-dev "$root/dev"
	mknod -m 666 "$root/dev/null" c 1 3
	mknod -m 666 "$root/dev/zero" c 1 5
	mknod -m 666 "$root/dev/random" c 1 8
	mknod -m 666 "$root/dev/urandom" c 1 9
	mknod -m 666 "$root/dev/tty" c 5 0
	mknod -m 600 "$root/dev/userfaultfd" c 10 "$minor"
	mkdir -p "$root/dev/pts" "$root/dev/shm"
	chmod 1777 "$root/dev/shm"
	mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
	ln -s pts/ptmx "$root/dev/ptmx"
}

say "making a clean Debian"
debootstrap --variant=minbase --include=ca-certificates "$release" "$root" >"$root.log" 2>&1 || {
	tail -n 5 "$root.log"
	echo "77: debootstrap does not work here"
	exit 77
}
rm -f "$root.log"
[ ! -e /etc/apt/apt.conf.d ] || cp -n /etc/apt/apt.conf.d/* "$root/etc/apt/apt.conf.d/" 2>/dev/null || :
make_devices
mount -t proc proc "$root/proc"
mkdir -p "$root/etc/udev" "$root/src"
tar -C "$source" --exclude='./build*' --exclude=./.git -cf - . | tar -C "$root/src" -xf -

check "./dev build" inside sh -c 'cd /src && ./dev build'
check "meson install" inside meson install -C /src/build --no-rebuild
for user in alice bob; do inside useradd -m -s /bin/bash $user; done

check "users log in" as alice true
check "doctor says that it cannot work yet" refuses as alice 'vswap doctor'
as alice 'vswap doctor' >"$root/doctor" || :
remedy=$(sed -n 's/^ *as root, once: \(vswap setup [a-z]*\);.*/\1/p' "$root/doctor" | head -n 1)
check "doctor names what root must do" [ "$remedy" = "vswap setup alice" ]
check "run refuses before anything runs" refuses as alice 'vswap run -m 64M -- touch /tmp/ran'
check "... and nothing has run" [ ! -e "$root/tmp/ran" ]
check "root does it" inside $remedy
check "twice is no harm" inside $remedy
check "doctor is content" as alice 'vswap doctor'
check "a program that forks is paged and right" as alice \
	'vswap run -m 24M -s /tmp/alice.json -- /src/build/tests/trees/forkstorm --pages 40000 --mib 48 --threads 2'
check "... pages left it" grep -qE '"swapped_out": *[1-9][0-9]{6}' "$root/tmp/alice.json"
check "a running program of hers is attached and let go" as alice \
	'sleep 60 & pid=$!; vswap attach -q -m 64M $pid & owner=$!
	for i in $(seq 200); do vswap stat $pid >/dev/null 2>&1 && break; sleep 0.1; done
	vswap detach $pid || kill $owner; kill $pid; wait $owner'

helper=/usr/local/libexec/vswap/vswap-fork-right
check "another user may not run the helper" as bob "$helper 0 3</dev/null; [ \$? = 126 ]"
check "another user may not open the device" refuses as bob ': </dev/userfaultfd'
check "another user's vswap refuses" as bob 'vswap run -m 64M -- true 2>&1 | grep -q "as root, once: vswap setup bob"'
check "the helper enables nothing but a userfaultfd" as alice "$helper 0 3</dev/null 2>&1 | grep -q 'not by hand'"
check "she may not attach to root's programs" as alice "vswap attach -m 64M $$ 2>&1 | grep -q 'not yours to trace'"
check "a user cannot set it up" as bob 'vswap setup bob 2>&1 | grep -q "run it as root"'

check "capabilities on vswap itself are refused, with what to do" inside sh -c '
	apt-get -qq -y install libcap2-bin >/dev/null && setcap cap_sys_ptrace+ep /usr/local/bin/vswap &&
	! su -l alice -c "vswap run -m 64M -- true" 2>/tmp/said; setcap -r /usr/local/bin/vswap
	grep -q "setcap -r" /tmp/said'
check "root takes it back" inside vswap setup --undo
check "... and she can do no more" refuses as alice 'vswap run -m 64M -- true'

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
