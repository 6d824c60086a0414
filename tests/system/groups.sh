#!/bin/sh
# SPDX-License-Identifier: MIT
# Groups inside a job: each within its limit, one below another, limits that change, weights, tiers, and
# what is wrong with a request. All data is checked. GROUP_SECONDS (3) is how long those that
# compete do so; GROUP_CASES="limits tiers" runs some cases only.
. "$(dirname "$0")/../lib.sh"
need_vswap

trees=$BUILD/tests/trees
seconds=${GROUP_SECONDS:-3}
limit=120
over=110 # percent of a limit that a sample may show

need_built "$trees/jobs"
have python3 || skip_all "no python3"
PATH=$(dirname "$VSWAP"):$trees:$PATH
export PATH VSWAP

# under BUDGET SCRIPT: the job is a shell; its output goes to $work/out.
under() {
	paged "$limit" "$1" -b "file:$work/tmp,name=disk" -- sh -c "$2"
}

# figure GROUP MEMBER PID: of the group in the report.
cat >"$work/figure" <<'END'
import json, subprocess, sys
group, member, pid = sys.argv[1:]
answer = subprocess.run(["vswap", "stat", "--json", pid], capture_output=True, text=True).stdout
for found in json.loads(answer)["groups"] if answer else []:
    if found["name"] == group:
        print(found[member])
END
cat >"$work/written" <<'END'
import json, subprocess, sys
answer = subprocess.run(["vswap", "stat", "--json", sys.argv[1]], capture_output=True, text=True).stdout
print(sum(b["written_bytes"] for b in json.loads(answer)["backends"]))
END
figure="python3 $work/figure"

# stayed NAME HOW-MANY: so many groups' samples stand in the output, none of them much too high.
stayed() {
	highest=$(sed -n 's/^treebudget: highest \([0-9]*\).*/\1/p' "$work/out" | sort -n | tail -n 1)
	count=$(grep -c '^treebudget: highest' "$work/out")
	if [ "$status" != 0 ] || [ "$(grep -c 'busy: right' "$work/out")" != "$2" ]; then
		fail "$1" "status $status, or data is wrong" "$work/out"
	elif [ "$count" != "$2" ] || [ "$highest" -gt $over ]; then
		fail "$1" "a group had $highest % of its limit" "$work/out"
	else
		pass "$1: $highest % of a limit at most"
	fi
}

limits() {
	status=0
	under 256M "vswap group -m 16M first treebudget --limit 16 --every 5 -- \
		jobs --mib 32 --seconds $seconds & first=\$!
		vswap group -m 24M second treebudget --limit 24 --every 5 -- \
		jobs --mib 48 --seconds $seconds --seed 2 || exit 1; wait \$first" || status=$?
	stayed "two groups that compete" 2
}

nested() {
	status=0
	under 256M "vswap group -m 32M outer treebudget --limit 32 --every 5 -- sh -c '
		vswap group -m 12M inner treebudget --limit 12 --every 5 -- \
			jobs --mib 24 --seconds $seconds & inner=\$!
		$trees/jobs --mib 48 --seconds $seconds --seed 2 || exit 1; wait \$inner'" || status=$?
	stayed "a group below another" 2
}

# wait_figure GROUP MEMBER TEST NUMBER: until the figure is so.
cat >"$work/wait" <<END
tries=200
while sleep 0.1; do
	now=\$($figure "\$1" "\$2" "\$5")
	[ -z "\$now" ] || [ ! "\$now" "\$3" "\$4" ] || exit 0
	tries=\$((tries - 1))
	[ "\$tries" -gt 0 ] || { echo "\$1: \$2 is \$now, not \$3 \$4"; exit 1; }
done
END

changed() {
	status=0
	under 256M "vswap group work jobs --mib 48 --seconds $limit & work=\$!
		wait_for='sh $work/wait'
		\$wait_for work resident_bytes -ge $((40 << 20)) \$\$ || exit 1
		vswap limit --group work 16M || exit 1
		\$wait_for work resident_bytes -le $((17 << 20)) \$\$ || exit 1
		echo lowered
		vswap limit --group work 32M \$\$ || exit 1
		\$wait_for work resident_bytes -ge $((24 << 20)) \$\$ || exit 1
		vswap limit --group work none && vswap limit --group work -w 300 || exit 1
		[ \$($figure work weight \$\$) = 300 ] && [ \$($figure work limit_bytes \$\$) = 0 ] || exit 1
		kill -USR1 \$work && wait \$work" || status=$?
	if [ "$status" = 0 ] && grep -q lowered "$work/out" && grep -q 'busy: right' "$work/out"; then
		pass "a limit that is lowered, raised, taken away"
	else
		fail "a limit that is lowered, raised, taken away" "status $status" "$work/out"
	fi
}

# Both do the same; what they have is added up over some looks while both do.
weights() {
	status=0
	under 48M "vswap group -w 100 light jobs --mib 40 --seconds 60 & light=\$!
		vswap group -w 400 heavy jobs --mib 40 --seconds 60 --seed 2 & heavy=\$!
		sh $work/wait light swapped_out_bytes -ge $((64 << 20)) \$\$ || exit 1
		sh $work/wait heavy swapped_out_bytes -ge $((64 << 20)) \$\$ || exit 1
		for look in 1 2 3 4 5 6; do
			echo light \$($figure light resident_bytes \$\$)
			echo heavy \$($figure heavy resident_bytes \$\$)
			sleep 0.3 # time passes on purpose: they compete
		done
		kill \$light \$heavy; wait; exit 0" || status=$?
	said=$(awk '$1 == "light" { light += $2 } $1 == "heavy" { heavy += $2 }
		END { if (light) printf "%d", 100 * heavy / light }' "$work/out")
	if [ "$status" != 0 ] || [ -z "$said" ]; then
		fail "weights" "status $status" "$work/out"
	elif [ "$said" -lt 130 ]; then
		fail "weights" "the heavier has $said % of what the lighter has" "$work/out"
	else
		pass "weights: 400 has $said % of what 100 has"
	fi
}

# All of the job is in the group, those that look at it too: tiers.sh JOB TIERS.
tiers() {
	cat >"$work/tiers.sh" <<-END
	$trees/jobs --mib 80 --seconds $seconds & data=\$!
	sh $work/wait kept swapped_out_bytes -ge $((4 << 20)) \$1 || exit 1
	vswap stat \$1 | grep "^  kept .* \$2\$" || exit 1
	wait \$data || exit 1
	echo written \$(python3 $work/written \$1)
	END
	for case in ram ram,disk; do
		status=0
		under 48M "vswap group --tiers $case kept sh $work/tiers.sh \$\$ $case" ||
			status=$?
		written=$(sed -n 's/^written //p' "$work/out")
		if [ "$status" != 0 ] || ! grep -q 'busy: right' "$work/out" || [ -z "$written" ]; then
			fail "the tiers $case" "status $status" "$work/out"
		elif [ $case = ram ] && [ "$written" != 0 ]; then
			fail "the tiers $case" "$written bytes were written to the disk" "$work/out"
		elif [ $case != ram ] && [ "$written" = 0 ]; then
			fail "the tiers $case" "nothing was written to the disk" "$work/out"
		else
			pass "the tiers $case: $written bytes written"
		fi
	done
}

# It leaves its parents, session and all; and what a group has counted stays.
daemons() {
	status=0
	under 256M "vswap group -m 16M quiet jobs --daemon --mib 32 --seconds $seconds
		sh $work/wait quiet swapped_out_bytes -ge $((16 << 20)) \$\$ || exit 1
		sh $work/wait quiet resident_bytes -le $((17 << 20)) \$\$ || exit 1
		sh $work/wait quiet processes -eq 0 \$\$ || exit 1
		[ \$($figure quiet swapped_out_bytes \$\$) -gt 0 ] || exit 1
		vswap group -m 20M quiet true || exit 1
		[ \$($figure quiet limit_bytes \$\$) = $((20 << 20)) ] && echo again" || status=$?
	if [ "$status" = 0 ] && grep -q again "$work/out" && grep -q 'busy: right' "$work/out"; then
		pass "a daemon in a group, and a group that is used again"
	else
		fail "a daemon in a group" "status $status" "$work/out"
	fi
}

# Its parents have ended before the owner looks for new processes: its environment tells its group.
orphans() {
	status=0
	under 256M "vswap group -m 16M quick sh -c '($trees/jobs --mib 32 --seconds $seconds &)'
		sh $work/wait quick swapped_out_bytes -ge $((8 << 20)) \$\$ || exit 1
		sh $work/wait quick processes -eq 0 \$\$" || status=$?
	if [ "$status" = 0 ] && grep -q 'busy: right' "$work/out"; then
		pass "an orphan that nobody saw before"
	else
		fail "an orphan that nobody saw before" "status $status" "$work/out"
	fi
}

# refused_inside STATUS TEXT COMMAND...: in a job that has a group 'taken'; one line, nothing has run.
refused_inside() {
	want=$1 text=$2
	shift 2
	status=0
	under 64M "vswap group -m 16M taken sleep 60 & taken=\$!
		sh $work/wait taken processes -ge 1 \$\$ || exit 99
		$* 2>$work/err; got=\$?
		kill \$taken; exit \$got" || status=$?
	if [ "$status" != "$want" ]; then
		fail "$*" "status $status, not $want" "$work/err"
	elif [ "$(grep -cv '^Try ' "$work/err")" != 1 ] || ! grep -q "$text" "$work/err"; then
		fail "$*" "not one line with '$text'" "$work/err"
	elif grep -q ran "$work/out"; then
		fail "$*" "it has run"
	else
		pass "$*: $(head -n 1 "$work/err" | cut -c 1-70)"
	fi
}

wrong() {
	refused_inside 1 "other settings" vswap group -m 17M taken echo ran
	refused_inside 1 "other settings" vswap group -w 7 taken echo ran
	refused_inside 1 "no tier 'tape'" vswap group --tiers ram,tape new echo ran
	refused_inside 1 "no tier ''" vswap group --tiers ram, new echo ran
	refused_inside 1 "may not use" vswap group --tiers ram outer vswap group --tiers disk inner echo ran
	refused_inside 2 "at least 4 MiB" vswap group -m 1M new echo ran
	refused_inside 2 "at least 4 MiB" vswap limit --group taken 1M
	refused_inside 1 "no group 'absent'" vswap limit --group absent 32M
	refused_inside 1 "no group 'taken/absent'" vswap limit --group taken/absent 32M
	refused_inside 127 "not found" vswap group new no-such-command
	refused_inside 126 "cannot run" vswap group new /
	status=0
	vswap group new echo ran >"$work/out" 2>"$work/err" || status=$?
	if [ "$status" = 1 ] && grep -q 'no job around' "$work/err" && [ ! -s "$work/out" ]; then
		pass "no job: $(cut -c 1-70 "$work/err")"
	else
		fail "no job" "status $status" "$work/err"
	fi
}

# None of them is worth an agent, so none of them can be made smaller.
small() {
	status=0
	under 256M "vswap group -m 4M many sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
			sh -c \"sleep 5 & sleep 5 & sleep 5 & sleep 5 & sleep 5 & wait\" & done; wait'
		echo ended" || status=$?
	if [ "$status" = 0 ] && [ "$(grep -c "group 'many' has .* above its limit of 4 MiB" "$work/out")" = 1 ] &&
		grep -q ended "$work/out"; then
		pass "a limit below what cannot leave: said once"
	else
		fail "a limit below what cannot leave" "status $status, or not said once" "$work/out"
	fi
}

for case in ${GROUP_CASES:-limits nested changed weights tiers daemons orphans wrong small}; do
	$case
done
finish
