#!/bin/sh
# SPDX-License-Identifier: MIT
# Bad input on the command line: one clear line, the right status, nothing has run.
. "$(dirname "$0")/../lib.sh"

run "$VSWAP" --help
check "--help succeeds" [ "$status" = 0 ]
check "--help names every verb" [ "$(grep -cE '^  vswap (run|attach|detach|group|limit|thaw|stat|where|doctor|setup) ' "$work/out")" = 10 ]
run "$VSWAP" --version
check "--version" grep -qE '^vswap [0-9]+\.[0-9]+' "$work/out"
for verb in run attach detach group limit thaw stat where doctor setup; do
	run "$VSWAP" $verb --help
	check "$verb --help succeeds" [ "$status" = 0 ]
	check "$verb --help shows usage" grep -q "^Usage: vswap $verb" "$work/out"
done

run "$VSWAP"
check "no verb: usage, status 2" [ "$status" = 2 ]
refused 2 "'dance' is no verb" "an unknown verb" "$VSWAP" dance
for verb in run attach detach group limit thaw stat where doctor setup; do
	refused 2 "unrecognized option '--frob'" "$verb: an unknown option" "$VSWAP" $verb --frob 1 1
done

mark="$work/ran"
refused 2 "give the command" "run: no command" "$VSWAP" run -m 256M
refused 2 "requires an argument" "run: -m without a size" "$VSWAP" run -m
for size in '' 0 -5 12X 1.5.5G 200% 99999999999T cgroups 1e9 0x100 ' 1G'; do
	refused 2 "is not a size" "run: the size '$size'" "$VSWAP" run -m "$size" touch "$mark"
done
refused 2 "too small; the least is" "run: a budget below the least" "$VSWAP" run -m 1M touch "$mark"
for spec in tape:/dev/st0 file: file:x,size=no file:x,colour=red ram,size= ''; do
	refused 2 "." "run: the backend '$spec'" "$VSWAP" run --backend "$spec" touch "$mark"
done
check "nothing of it has run" [ ! -e "$mark" ]

refused 2 "give the id" "attach: no pid" "$VSWAP" attach -m 256M
for pid in 0 -1 12x 99999999999999 ''; do
	refused 2 "process id|invalid option|unrecognized" "attach: the pid '$pid'" "$VSWAP" attach "$pid"
done
refused 2 "one process id" "attach: two pids" "$VSWAP" attach 1 2
refused 2 "give the id of the process" "detach: no pid" "$VSWAP" detach
refused 2 "give the process id" "thaw: no pid" "$VSWAP" thaw
refused 2 "one process id" "stat: two pids" "$VSWAP" stat 1 2
refused 2 "give the new budget" "limit: no size" "$VSWAP" limit
refused 2 "is not a size" "limit: no size, but a word" "$VSWAP" limit much
refused 2 "too much" "limit: three arguments" "$VSWAP" limit 256M 1 2
refused 2 "give the group's new limit" "limit: a group without a size" "$VSWAP" limit --group tests
refused 2 "is that of a group" "limit: a weight without a group" "$VSWAP" limit -w 50 256M
refused 2 "no path of a group" "limit: an empty group" "$VSWAP" limit --group "" 256M
refused 2 "is not a size" "limit: 'none' for the job" "$VSWAP" limit none
refused 2 "give a name and the command" "group: nothing" "$VSWAP" group
refused 2 "give a name and the command" "group: no command" "$VSWAP" group -m 64M tests
for name in '' a/b 'a b' .hidden "$(printf '%032d' 0)" 'x,y'; do
	refused 2 "no name for a group" "group: the name '$name'" "$VSWAP" group "$name" touch "$mark"
done
for weight in 0 -1 10001 1.5 x '' 99999999999999999999; do
	refused 2 "weight of a group is 1 to 10000" "group: the weight '$weight'" \
		"$VSWAP" group --weight="$weight" tests touch "$mark"
done
refused 2 "at least 4 MiB" "group: a limit below the least" "$VSWAP" group -m 1M tests touch "$mark"
refused 2 "is not a size" "group: no size, but a word" "$VSWAP" group -m much tests touch "$mark"
refused 2 "give the tiers" "group: no tiers" "$VSWAP" group --tiers= tests touch "$mark"
refused 1 "no job around" "group: no job" "$VSWAP" group tests touch "$mark"
check "nothing of it has run in a group" [ ! -e "$mark" ]
refused 2 "process id and an address" "where: no address" "$VSWAP" where 1
refused 2 "is not an address" "where: not an address" "$VSWAP" where 1 over-there
refused 2 "give the users" "setup: no user" "$VSWAP" setup
refused 2 "give the users" "setup: users and --undo" "$VSWAP" setup --undo "$(id -un)"
refused 2 "too much" "doctor: an argument" "$VSWAP" doctor now

for verb in detach thaw stat; do
	refused 1 "no virtual swap space" "$verb: a process without a space" "$VSWAP" $verb $$
done
refused 1 "no virtual swap space" "where: a process without a space" "$VSWAP" where $$ 1000
refused 1 "no virtual swap space" "limit: a process without a space" "$VSWAP" limit 256M $$
if [ -z "$(find /tmp /run "/run/user/$(id -u)" -maxdepth 2 -path '*/vswap*/[0-9]*.sock' 2>/dev/null)" ]; then
	refused 1 "there is no space" "limit: no space at all" "$VSWAP" limit 256M
	run "$VSWAP" stat
	check "stat without spaces says so" grep -q "No space" "$work/out"
	run "$VSWAP" stat --json
	check "stat --json without spaces is an empty array" [ "$(tr -d ' \n' <"$work/out")" = "[]" ]
else
	skip "without any space" "this user has some"
fi

finish
