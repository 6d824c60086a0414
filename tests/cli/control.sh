#!/bin/sh
# SPDX-License-Identifier: MIT
# The control socket: stat, where, limit, thaw on a live space; garbage, slow and many clients.
. "$(dirname "$0")/../lib.sh"
need_vswap
victim=$BUILD/tests/cli/victim

mkfifo "$work/input"
"$VSWAP" run -q -m 48M "$victim" memory 96 <"$work/input" >"$work/victim" 2>"$work/run.err" &
owner=$! started="$started $!"
exec 9>"$work/input"
wait_for 20 [ -s "$work/victim" ]
read -r pid address <"$work/victim"

# ---- looking ----
check "stat --json knows the program" [ "$(figure "$pid" pid)" = "$pid" ]
check "its name" [ "$(figure "$pid" command)" = victim ]
check "its budget" [ "$(figure "$pid" limit_bytes)" = $((48 << 20)) ]
check "no exit status yet" [ "$(figure "$pid" exit_status)" = null ]
check "it comes to be attached" wait_for 20 is_attached "$pid"
run "$VSWAP" stat "$pid"
check "stat PID: the table" grep -qE '^  budget +48\.0 MiB' "$work/out"
check "stat PID: its process is paged" grep -qE "^ *$pid victim .* paged$" "$work/out"
check "stat --json: one process" [ "$(figure "$pid" process_total)" = 1 ]
run "$VSWAP" stat
check "stat: one line for it" grep -qE "^ *$pid victim +48\.0 MiB" "$work/out"
run "$VSWAP" where "$pid" "$address"
check "where: a slot" grep -qE '^slot +[1-9]' "$work/out"
run "$VSWAP" where "$pid" "0x$address"
check "where: with 0x" grep -qE '^slot +[1-9]' "$work/out"
sleep 60 9>&- &
stranger=$! started="$started $!"
run "$VSWAP" where "$stranger" "$address"
check "where: a process that is in no job" [ "$status" = 1 ]
run "$VSWAP" where "$pid" 1000
check "where: an address that is no slot" [ "$status" = 0 -o "$status" = 1 ]

# ---- changing ----
refused 1 "least|small" "limit: below the least" "$VSWAP" limit 4K "$pid"
check "and nothing changed" [ "$(figure "$pid" limit_bytes)" = $((48 << 20)) ]
run "$VSWAP" limit 64M "$pid"
check "limit: another budget" [ "$status" = 0 -a "$(figure "$pid" limit_bytes)" = $((64 << 20)) ]
run "$VSWAP" thaw "$pid"
check "thaw succeeds" [ "$status" = 0 ]
all_in() { [ "$(figure "$pid" resident_bytes)" -ge $((96 << 20)) ]; }
check "thaw: all of it is resident" all_in
run "$VSWAP" limit 48M "$pid"
shrunk() { [ "$(figure "$pid" resident_bytes)" -le $((48 << 20)) ]; }
check "limit after thaw: it shrinks again" wait_for 20 shrunk

# ---- a child of the job's first process ----
mkfifo "$work/input2"
"$VSWAP" run -q -m 16M sh -c '"$1" memory 24; :' sh "$victim" <"$work/input2" >"$work/child" 2>"$work/run2.err" 9>&- &
started="$started $!"
exec 8>"$work/input2"
wait_for 20 [ -s "$work/child" ]
read -r child_pid child_address <"$work/child"
has_slot() { "$VSWAP" where "$1" "$2" 8>&- 9>&- | grep -qE '^slot +[1-9]'; }
check "where: a child of the job's first process" wait_for 20 has_slot "$child_pid" "$child_address"
exec 8>&-

# ---- the socket itself ----
socket=$work/run/vswap/$pid.sock
check "the folder is ours alone" [ "$(stat -c %a "$work/run/vswap")" = 700 ]
check "so is the socket" [ "$(stat -c %a "$socket")" = 600 ]

# A client in Python: connects, does what the case says, prints the last line of the answer.
client() {
	timeout 60 python3 - "$socket" "$1" 9>&- <<-'END'
	import json, os, random, socket, sys
	path, case = sys.argv[1:]
	def connect():
	    s = socket.socket(socket.AF_UNIX)
	    s.connect(path)
	    s.settimeout(20)
	    return s
	def ask(s, line):
	    s.sendall(line)
	    got = b""
	    while not got.endswith(b"\n"):
	        more = s.recv(65536)
	        if not more: break
	        got += more
	    return got.decode()
	if case == "garbage":
	    random.seed(1)
	    for _ in range(200):
	        s = connect()
	        line = bytes(random.randrange(256) for _ in range(random.randrange(300)))
	        assert "error" in ask(s, line.replace(b"\n", b"x") + b"\n")
	elif case == "long":
	    s = connect()
	    assert "longer" in ask(s, b"x" * 4096)
	    assert s.recv(1) == b""
	elif case == "several":
	    s = connect()
	    s.sendall(b'{"request":"report"}\n' * 3)
	    got = b""
	    while got.count(b"\n") < 3: got += s.recv(65536)
	    assert all("report" in json.loads(l) for l in got.decode().splitlines())
	elif case == "pieces":
	    s = connect()
	    for c in b'{"request":"report"': s.sendall(bytes([c]))
	    assert "report" in ask(s, b'}\n')
	elif case == "idle":
	    idle = [connect() for _ in range(40)]
	    for s in idle:
	        try: s.sendall(b'{"request":')
	        except OSError: pass  # let go, to make room for the next
	    assert "report" in ask(connect(), b'{"request":"report"}\n')
	elif case == "deaf":
	    s = connect()
	    s.setblocking(False)
	    try:
	        for _ in range(5000): s.send(b'{"request":"report"}\n' * 50)
	    except (BlockingIOError, BrokenPipeError, ConnectionResetError): pass
	    assert "report" in ask(connect(), b'{"request":"report"}\n')
	elif case == "leaves":
	    for _ in range(50):
	        s = connect()
	        s.sendall(b'{"request":"report"}\n')
	        s.close()
	    assert "report" in ask(connect(), b'{"request":"report"}\n')
	END
}
check "garbage is refused" client garbage
check "a line that is too long is refused, the client let go" client long
check "several requests at once" client several
check "a request in pieces" client pieces
check "idle clients do not lock others out" client idle
check "a client that does not read does not stop the owner" client deaf
check "clients that leave at once do no harm" client leaves

# ---- a socket without an owner ----
python3 -c 'import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$work/run/vswap/4194303.sock"
run "$VSWAP" stat
check "a dead owner's socket is not listed" sh -c "! grep -q 4194303 '$work/out'"
check "and is cleared away" [ ! -e "$work/run/vswap/4194303.sock" ]

# ---- an owner that is stopped, with those that would wake it ----
# shellcheck disable=SC2046
set -- $(for one in $(children $owner); do ! name_is "$one" swap-keeper || echo "$one"; done)
kill -STOP "$@" $owner
run "$VSWAP" stat
kill -CONT $owner "$@"
check "stat: an owner that does not answer is named, status 1" \
	sh -c "[ $status = 1 ] && grep -q 'owner of process $pid does not answer' '$work/err' '$work/out'"
kill -STOP $owner
check "stat: one that is stopped alone goes on, and answers" "$VSWAP" stat "$pid"

# ---- an owner that is frozen, with its program ----
frozen=/sys/fs/cgroup/freezer/vswap-test-$$
if [ "$(id -u)" = 0 ] && mkdir "$frozen" 2>/dev/null; then
	echo $owner >"$frozen/cgroup.procs"
	echo "$pid" >"$frozen/cgroup.procs"
	echo FROZEN >"$frozen/freezer.state"
	run "$VSWAP" stat "$pid"
	echo THAWED >"$frozen/freezer.state"
	check "stat: one that is frozen is said to be" \
		sh -c "[ $status = 1 ] && grep -q 'process $pid does not answer.*frozen' '$work/err'"
	for task in $owner $pid; do echo "$task" >/sys/fs/cgroup/freezer/cgroup.procs; done
	check "the freezer's group is empty again" wait_for 20 rmdir "$frozen"
else
	skip "stat: what is frozen is said to be" "no freezer that we may use"
fi

exec 9>&-
check "the program's data is right, status 0" ends_with 0 $owner
check "the socket is gone" [ ! -e "$socket" ]

# ---- a runtime folder that another user could have made ----
chmod 777 "$work/run/vswap"
run "$VSWAP" run true
check "a folder that others may write to is not used" [ -z "$(ls "$work/run/vswap")" -a "$status" = 0 ]

finish
