#!/bin/sh
# SPDX-License-Identifier: MIT
# vswap run is transparent: status, signals, arguments, input and output are the command's own.
. "$(dirname "$0")/../lib.sh"
need_vswap

for code in 0 1 42 77 255; do
	run "$VSWAP" run -q sh -c "exit $code"
	check "exit status $code" [ "$status" = $code ]
done
for number in 1 2 6 9 10 11 13 15; do
	run sh -c "'$VSWAP' run -q sh -c 'kill -$number \$\$'; exit \$?"
	check "death by SIG$(kill -l $number)" [ "$status" = $((128 + number)) ]
done
check "no core, no files left" [ "$(ls "$work" | tr '\n' ' ')" = "doctor err out run tmp " ]

run "$VSWAP" run -q printf '<%s>' -m --help -- 'a b' ''
check "the command's options are its own" [ "$(cat "$work/out")" = "<-m><--help><--><a b><>" ]
run "$VSWAP" run -q -- printf %s x
check "-- ends vswap's options" [ "$(cat "$work/out")" = x ]
refused 127 "command not found" "a command that is not there" "$VSWAP" run -q no-such-command-here
refused 127 "No such file" "a path that is not there" "$VSWAP" run -q "$work/nothing"
refused 126 "Permission denied" "a file that is not executable" "$VSWAP" run -q /etc/passwd
refused 126 "Permission denied" "a folder" "$VSWAP" run -q /etc

echo hello >"$work/in"
"$VSWAP" run -q cat <"$work/in" >"$work/out" 2>"$work/err"
check "standard input and output pass through" cmp -s "$work/in" "$work/out"
check "-q says nothing" [ ! -s "$work/err" ]
run "$VSWAP" run true
check "without -q: one short paragraph" [ "$(wc -l <"$work/err")" -le 3 -a -s "$work/err" ]
check "nothing of it on standard output" [ ! -s "$work/out" ]
run "$VSWAP" run -q sh -c 'ls /proc/self/fd | wc -l'
with=$(cat "$work/out")
run sh -c 'ls /proc/self/fd | wc -l'
check "no descriptor of vswap is left open in the command" [ "$with" = "$(cat "$work/out")" ]
run "$VSWAP" run -q sh -c "$VSWAP run -q sh -c 'exit 9'"
check "a space in a space" [ "$status" = 9 ]

ulimit -c >"$work/in"; nice >>"$work/in"; cat /proc/self/oom_score_adj >>"$work/in"
grep -E '^(SigBlk|SigIgn|NoNewPrivs|VmLck)' /proc/self/status >>"$work/in"
run "$VSWAP" run -q sh -c "ulimit -c; nice; cat /proc/self/oom_score_adj; grep -E '^(SigBlk|SigIgn|NoNewPrivs|VmLck)' /proc/self/status"
check "limits, masks and scores are not vswap's" cmp -s "$work/in" "$work/out"
(trap '' HUP; exec "$VSWAP" run -q grep SigIgn /proc/self/status) >"$work/out"
check "an ignored signal stays ignored" grep -q '1$' "$work/out"

# ---- signals sent to vswap alone ----
for signal in TERM HUP USR1; do
	"$VSWAP" run -q sh -c "trap 'exit 33' $signal; echo up >'$work/up'; while :; do sleep 0.05; done" &
	owner=$!
	wait_for 10 [ -e "$work/up" ]
	kill -$signal $owner
	check "SIG$signal is passed on" ends_with 33 $owner
	rm -f "$work/up"
done

# ---- job control: vswap stops as its program does, and goes on when somebody needs it ----
# The kernel drops such a stop in a process group that no shell looks after.
takes_stops() {
	sh -c "kill -TSTP \$\$; echo on >'$work/on'" &
	probe=$!
	wait_for 10 sh -c "[ -e '$work/on' ] || grep -q '^State:.T' /proc/$probe/status"
	kill -KILL $probe 2>/dev/null
	wait $probe 2>/dev/null
	[ ! -e "$work/on" ]
}

goes_on() {
	! state_is "$1" T
}

# start_steps: a program that makes a step all the time, as $program of $owner.
start_steps() {
	rm -f "$work/up" "$work/steps"
	"$VSWAP" run -q sh -c "echo \$\$ >'$work/up'; while :; do echo >>'$work/steps'; sleep 0.05; done" &
	owner=$! started="$started $!"
	wait_for 10 [ -s "$work/steps" ]
	program=$(cat "$work/up") started="$started $program"
}

steps_on() {
	before=$(wc -l <"$work/steps")
	wait_for 10 sh -c "[ \$(wc -l <'$work/steps') -gt $before ]"
}

stopped_together() {
	start_steps
	kill -TSTP $program
	check "when the program stops, vswap stops" wait_for 10 state_is $owner T
	kill -CONT $owner
	check "SIGCONT wakes the program" wait_for 10 goes_on $program
	check "and vswap" wait_for 10 state_is $owner S
	kill -TERM $program
	check "and its end is seen" ends_with 143 $owner
	for signal in TSTP STOP; do
		check "each of 20 stops in a row is shown to the shell (SIG$signal)" \
			python3 "$(dirname "$0")/stops.py" $signal 20 "$VSWAP" run -q
	done
}
if takes_stops; then stopped_together; else skip "job control" "this process group takes no stops"; fi

start_steps
kill -STOP $program
check "SIGSTOP of the program stops vswap" wait_for 10 state_is $owner T
check "a client wakes it" timeout 10 "$VSWAP" stat $program
check "then it stops again" wait_for 10 state_is $owner T
kill -CONT $program
check "a program that is continued alone goes on" steps_on
check "and vswap" wait_for 10 state_is $owner S
kill -STOP $program
wait_for 10 state_is $owner T
kill -KILL $program
check "the end of a program that is stopped is seen" ends_with 137 $owner

# What a shell sends to all of a job.
start_steps
kill -STOP $program $owner
wait_for 10 state_is $owner T
kill -CONT $program
check "one that was stopped with vswap, and goes on alone" steps_on
check "wakes it, too" wait_for 10 state_is $owner S
kill -STOP $program $owner
wait_for 10 state_is $owner T
kill -KILL $program
check "and so does its end" ends_with 137 $owner

# All stand still, and one of them goes on: the keepers see its faults.
"$VSWAP" run -q -m 16M "$victim" 48 1 4 >"$work/victim" 2>&1 &
owner=$! started="$started $!"
has_child() {
	child=$(find_named $owner victim)
	program=$(awk '/^PPid/ { print $2 }' "/proc/$child/status") && name_is "$program" victim
}
wait_for 60 has_child
kill -STOP $child $program
check "a job that stands still as a whole" wait_for 10 state_is $owner T
kill -CONT $child
check "one process of it that goes on is served" wait_for 60 state_is $child Z
kill -CONT $program
check "and all of it is right" ends_with 0 $owner

# A process of the job that is not stopped is served, though vswap is.
rm -f "$work/up"
"$VSWAP" run -q -m 16M sh -c "setsid '$storm' --pages 40000 --mib 48 --threads 2 >'$work/raged' 2>&1 &
	echo \$\$ >'$work/up'; kill -STOP \$\$; wait" &
owner=$! started="$started $!"
wait_for 10 [ -s "$work/up" ]
program=$(cat "$work/up") started="$started $program"
check "who runs on in a stopped job is served" wait_for 60 grep -q ' 0 mismatches' "$work/raged"
check "the job is stopped still" state_is $program T
kill -CONT $owner
wait_for 10 goes_on $program || kill -CONT $program
check "and it ends" ends_with 0 $owner

# ---- --stats ----
run "$VSWAP" run -q --stats "$work/stats.json" sh -c 'exit 5'
check "--stats keeps the status" [ "$status" = 5 ]
check "--stats writes the exit status" grep -q '"exit_status": *5' "$work/stats.json"
check "--stats leaves one file" [ "$(ls "$work" | grep -c stats)" = 1 ]
set --
while [ $# -lt 16 ]; do set -- "$@" "--backend=file:$work,size=1M"; done
run "$VSWAP" run -q --stats "$work/stats.json" "$@" true
check "--stats has a row for each of 16 backends and RAM" [ "$(grep -c '"kind"' "$work/stats.json")" = 17 ]
mark="$work/ran"
refused 1 "cannot write" "--stats in a folder that is not there" "$VSWAP" run --stats "$work/no/x" touch "$mark"
refused 1 "cannot write" "--stats names a folder" "$VSWAP" run --stats "$work" touch "$mark"
check "nothing of it has run" [ ! -e "$mark" ]
check "no socket is left" [ -z "$(left_behind)" ]

refused 1 "." "a backend in a folder that is not there" "$VSWAP" run --backend "file:$work/no/x" touch "$mark"
check "has not run either" [ ! -e "$mark" ]

if [ "$(id -u)" = 0 ] && have setpriv && [ "$(cat /proc/sys/vm/unprivileged_userfaultfd)" = 0 ]; then
	cp "$VSWAP" "$work/vswap-copy"
	chmod 755 "$work"
	refused 1 "as root, once: vswap setup" "no right to serve the kernel's faults" env -u XDG_RUNTIME_DIR \
		setpriv --reuid 65534 --clear-groups "$work/vswap-copy" run -q touch "$mark"
	run setpriv --reuid 65534 --clear-groups "$work/vswap-copy" doctor
	check "doctor says so too" [ "$status" = 1 ]
	check "has not run either" [ ! -e "$mark" ]
else
	skip "no right to serve the kernel's faults" "needs root"
fi

if [ "$(id -u)" = 0 ] && unshare -pfm true 2>/dev/null; then
	refused 1 "another pid namespace" "a /proc of another pid namespace" \
		unshare -pf "$VSWAP" run -q touch "$mark"
	[ -n "${ASAN_OPTIONS:-}" ] || # which needs one itself
		refused 1 "/proc .*not mounted" "no /proc" \
			unshare -m sh -c 'umount -l /proc && exec "$@"' sh "$VSWAP" run -q touch "$mark"
	check "has not run either" [ ! -e "$mark" ]
else
	skip "a missing or foreign /proc" "needs root"
fi

finish
