#!/bin/sh
# SPDX-License-Identifier: MIT
# vswap attach: what may not be attached is refused in one line and left unharmed.
. "$(dirname "$0")/../lib.sh"
need_vswap
victim=$BUILD/tests/cli/victim

# victim_start ARGUMENTS...: its pid in $pid; ends when descriptor 9 closes.
victim_start() {
	rm -f "$work/input" "$work/victim"
	mkfifo "$work/input"
	"$victim" "$@" <"$work/input" >"$work/victim" 2>"$work/victim.err" &
	victim_job=$!
	started="$started $victim_job"
	exec 9>"$work/input"
	wait_for 20 [ -s "$work/victim" ]
	pid=$(cut -d' ' -f1 "$work/victim")
}

victim_ends_well() {
	exec 9>&-
	ends_with 0 $victim_job
}

# attach_victim KIND [OPTION...]: a victim of 96 MiB within 48, attached by $owner.
attach_victim() {
	victim_start "$1" 96
	shift
	"$VSWAP" attach -m 48M "$@" "$pid" 2>"$work/attach.err" 9>&- &
	owner=$! started="$started $owner"
	wait_for 20 is_attached "$pid"
}

# debugger_start TID: traces it until descriptor 8 closes; false: it cannot.
debugger_start() {
	rm -f "$work/debugger" "$work/debugger.input"
	mkfifo "$work/debugger.input"
	"$victim" debug "$1" <"$work/debugger.input" >"$work/debugger" 9>&- &
	started="$started $!"
	exec 8>"$work/debugger.input"
	wait_for 20 [ -s "$work/debugger" ]
}

refused 1 "no such process" "a process that does not exist" "$VSWAP" attach 4194303
refused 1 "kernel" "a kernel thread" "$VSWAP" attach 2
"$VSWAP" attach -q $$ >"$work/out" 2>"$work/err" 9>&- &
own=$!
wait_for 20 has_space $$
kill -INT $own 2>/dev/null
check "its own parent, below its budget, and let go" ends_with 0 $own

victim_start seccomp
refused 1 "seccomp" "a process with a seccomp filter" "$VSWAP" attach -m 64M "$pid"
check "and is unharmed" victim_ends_well

victim_start traced
refused 1 "traced" "a process that is traced" "$VSWAP" attach -m 64M "$pid"
check "and is unharmed" victim_ends_well

victim_start memory 8
refused 2 "too small" "a budget below the least" "$VSWAP" attach -m 4096 "$pid"
refused 1 "cannot write" "a stats file that cannot be written" "$VSWAP" attach --stats "$work/no/x" "$pid"
refused 1 "." "a backend that cannot be opened" "$VSWAP" attach --backend "file:$work/no/x" "$pid"
check "and is unharmed" victim_ends_well

# 32-bit code: an ELF file of 84 + 14 bytes that calls pause() for ever.
elf32() {
	printf '\177ELF\1\1\1\0\0\0\0\0\0\0\0\0\2\0\3\0\1\0\0\0\124\200\4\10\64\0\0\0'
	printf '\0\0\0\0\0\0\0\0\64\0\40\0\1\0\0\0\0\0\0\0'
	printf '\1\0\0\0\0\0\0\0\0\200\4\10\0\200\4\10\142\0\0\0\142\0\0\0\5\0\0\0\0\20\0\0'
	printf '\270\35\0\0\0\315\200\353\367\220\220\220\220\220'
}
elf32 >"$work/elf32"
chmod 755 "$work/elf32"
"$work/elf32" 2>/dev/null &
pid=$! started="$started $!"
has_begun() {
	! alive $pid || { name_is $pid elf32 && state_is $pid S; }
}
wait_for 10 has_begun
if ! alive $pid; then
	skip "32-bit code" "this kernel runs none"
else
	refused 1 "32-bit" "a process of 32-bit code" "$VSWAP" attach -m 64M $pid
	check "and is unharmed" state_is $pid S
	refused 1 "32-bit" "run of 32-bit code" "$VSWAP" run -m 64M "$work/elf32"
	kill $pid
fi

if [ "$(id -u)" = 0 ] && have setpriv; then
	victim_start memory 8
	cp "$VSWAP" "$work/vswap-copy"
	chmod 755 "$work"
	refused 1 "." "a process of another user" env -u XDG_RUNTIME_DIR \
		setpriv --reuid 65534 --clear-groups "$work/vswap-copy" attach "$pid"
	check "and is unharmed" victim_ends_well
else
	skip "a process of another user" "needs root"
fi

# Yama: a user may trace descendants only. Setting it is not a test's business: this needs a machine
# that has it on, and a user who lacks nothing else.
as_nobody="env -u XDG_RUNTIME_DIR setpriv --reuid 65534 --clear-groups"
yama=$(cat /proc/sys/kernel/yama/ptrace_scope 2>/dev/null || echo none)
if [ "$yama" = none ] || [ "$yama" = 0 ]; then
	skip "Yama" "ptrace_scope is $yama here"
elif [ ! -x "$work/vswap-copy" ] || ! $as_nobody "$work/vswap-copy" doctor >/dev/null; then
	skip "Yama" "needs root, and a user who may use vswap (vswap doctor)"
else
	$as_nobody sleep 60 &
	pid=$! started="$started $!"
	wait_for 10 name_is $pid sleep
	refused 1 "Yama's ptrace_scope is $yama" "a process that Yama protects" \
		$as_nobody "$work/vswap-copy" attach -m 64M "$pid"
	check "and is unharmed" state_is "$pid" S
	kill "$pid"
fi

# ---- attached twice, detached, ended ----
victim_start memory 96
descriptors=$(ls "/proc/$pid/fd") maps=$(wc -l <"/proc/$pid/maps")
"$VSWAP" attach -q -m 48M --stats "$work/stats.json" "$pid" 2>"$work/attach.err" 9>&- &
owner=$! started="$started $owner"
check "attach opens a space" wait_for 20 has_space "$pid"
refused 1 "attached|already" "a process that is attached already" "$VSWAP" attach -m 64M "$pid"
check "it comes to be attached" wait_for 20 is_attached "$pid"
run "$VSWAP" detach "$pid"
check "detach succeeds" [ "$status" = 0 ]
check "attach ends with 0" ends_with 0 $owner
check "the stats file is there" grep -q '"attached": *true' "$work/stats.json"
check "nothing traces it" grep -q '^TracerPid:.0$' "/proc/$pid/status"
check "no thread of ours is left" [ "$(ls "/proc/$pid/task" | wc -l)" = 1 ]
check "no descriptor of ours is left" [ "$(ls "/proc/$pid/fd")" = "$descriptors" ]
check "no mapping of ours is left" [ "$(wc -l <"/proc/$pid/maps")" = "$maps" ]
refused 1 "no virtual swap space" "a second detach" "$VSWAP" detach "$pid"
check "its data is right" victim_ends_well

# ---- nobody reads what it says ----
victim_start memory 96
mkfifo "$work/unread"
exec 8<>"$work/unread"
dd if=/dev/zero of="$work/unread" bs=4096 oflag=nonblock 2>/dev/null # until it is full
"$VSWAP" attach -m 48M "$pid" 2>"$work/unread" 9>&- 8>&- &
owner=$! started="$started $owner"
wait_for 20 is_attached "$pid"
for _ in 1 2 3; do # each makes it say something; time passes on purpose, or they were one signal
	kill -TSTP $owner
	sleep 0.05
done
run timeout 20 "$VSWAP" stat "$pid"
check "who does not read its messages does not stop it" [ "$status" = 0 ]
run timeout 20 "$VSWAP" detach "$pid"
check "nor its end" ends_with 0 $owner
exec 8>&-
check "its data is right" victim_ends_well

# ---- with what it has started, or alone ----
sh -c 'sleep 300 & echo $$ $! >"$1"; wait' sh "$work/parent" 9>&- &
started="$started $!"
wait_for 20 [ -s "$work/parent" ]
read -r parent child <"$work/parent"
started="$started $child"
processes_are() { [ "$(figure "$parent" process_total)" = "$1" ]; }
for option in "" --no-children; do
	"$VSWAP" attach -q -m 64M $option "$parent" 2>"$work/attach.err" 9>&- &
	owner=$! started="$started $owner"
	if [ -z "$option" ]; then
		check "attach takes what the process has started" wait_for 20 processes_are 2
	else
		check "attach $option takes it alone" wait_for 20 processes_are 1
		sleep 0.2 # time passes on purpose: nothing comes
		check "and goes on so" processes_are 1
	fi
	run "$VSWAP" detach "$parent"
	check "and lets go" ends_with 0 $owner
done
kill "$child"

attach_victim memory -q
kill -INT $owner
check "Ctrl-C detaches, status 0" ends_with 0 $owner
check "its data is right" victim_ends_well

# ---- let go though what had left was replaced, and nobody told ----
has_shrunk() { [ "$(figure "$pid" resident_bytes)" -le $((48 << 20)) ]; }
attach_victim replaced -q
wait_for 20 has_shrunk
echo >&9
if wait_for 20 grep -q replaced "$work/victim"; then
	kill -INT $owner
	check "what was replaced is not waited for, status 0" ends_with 0 $owner
	check "the rest of its data is right" victim_ends_well
else
	skip "replaced memory" "no shared memory here"
	exec 9>&-
	kill -INT $owner
fi

# ---- let go while a debugger is at it ----
attach_victim memory
if debugger_start "$pid"; then
	kill -TERM $owner
	check "vswap says that it waits for the debugger" \
		wait_for 20 grep -q "under a debugger" "$work/attach.err"
	check "and waits" kill -0 $owner
	"$VSWAP" limit 64M "$pid" >"$work/limit" 2>&1 8>&- 9>&- &
	waiting=$! answered=0
	for _ in 1 2 3; do
		timeout 10 "$VSWAP" stat "$pid" >"$work/stat" 2>&1 || answered=$?
	done
	check "stat is answered meanwhile" [ $answered = 0 ]
	check "another budget waits" kill -0 $waiting
	exec 8>&-
	check "when that has ended, attach ends with 0" ends_with 0 $owner
	wait $waiting || true
	check "and who waited is told" grep -q "just been detached" "$work/limit"
else
	exec 8>&-
	skip "a debugger" "it cannot trace the process"
	kill -TERM $owner
fi
check "its data is right" victim_ends_well

# ---- let go while a debugger is at the agent alone ----
attach_victim memory
agent=$(ls "/proc/$pid/task" | grep -v "^$pid\$" | head -n 1)
if debugger_start "$agent"; then
	"$VSWAP" detach "$pid" >"$work/detach" 2>&1 8>&- 9>&- &
	waiting=$! started="$started $!"
	check "vswap waits for it" wait_for 20 grep -q "waiting to let go" "$work/attach.err"
	exec 8>&-
	check "when that has ended, detach succeeds" ends_with 0 $waiting
	check "and attach ends" ends_with 0 $owner
else
	exec 8>&-
	skip "a debugger of the agent" "it cannot trace the thread"
	kill -TERM $owner
fi
check "its data is right" victim_ends_well

attach_victim memory
check "its data is right while attached" victim_ends_well
check "attach ends with the program, status 0" ends_with 0 $owner
check "and names it, though it is gone" grep -q "^vswap: victim wanted" "$work/attach.err"
check "no socket is left" [ -z "$(left_behind)" ]

finish
