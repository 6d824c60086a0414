#!/bin/sh
# SPDX-License-Identifier: MIT
# A program that works against its owner, beside one that verifies its pages in the same job: no wrong
# byte there, and the owner answers. HOSTILE_SECONDS (10), HOSTILE_SEED, HOSTILE_ONLY.
. "$(dirname "$0")/../lib.sh"
need_vswap

hostile=$BUILD/tests/hostile/hostile
seconds=${HOSTILE_SECONDS:-10}
seed=${HOSTILE_SEED:-$(date +%s)}
only=${HOSTILE_ONLY:+--only $HOSTILE_ONLY}
# Generous: the machine may be busy. What hangs does so for good.
patience=20

beside() {
	cat >"$work/both" <<-END
		end=\$((\$(date +%s) + $seconds)) n=$seed
		while [ "\$(date +%s)" -lt "\$end" ]; do
			timeout -s KILL 60 "$hostile" --seconds 3 --seed "\$n" $only >/dev/null 2>&1
			n=\$((n + 1))
			echo \$((n - $seed)) >"$work/rounds"
		done &
		"$hostile" --neighbour --seconds "$seconds"
		echo "\$?" >"$work/verdict"
		wait
	END
	rm -f "$work/verdict"
	# What the hostile one does to itself, it may hang by: then the owner is killed, and the keepers end it.
	timeout -s KILL $((seconds * 3 + 60)) "$VSWAP" run -q -m 24M -b "file:$work/tmp" -- \
		sh "$work/both" >"$work/out" 2>&1 &
	run=$!
	started="$started $run"
	silent=0
	while alive "$run"; do
		timeout "$patience" "$VSWAP" stat >"$work/stat" 2>&1 || ! alive "$run" ||
			{ silent=$((silent + 1)); cat "$work/stat" >>"$work/out"; }
		sleep 1 # time passes on purpose: between two looks
	done
	wait "$run"
	status=$(cat "$work/verdict" 2>/dev/null)
	[ "$silent" = 0 ] && pass "the owner answers in $(cat "$work/rounds") rounds (seed $seed)" ||
		fail "the owner answers (seed $seed)" "stat failed $silent times" "$work/out"
	[ "$status" = 0 ] && pass "a neighbour keeps its bytes (seed $seed)" ||
		fail "a neighbour keeps its bytes (seed $seed)" "status ${status:-none: it did not end}" "$work/out"
}

# What is read from outside stands under a userfaultfd that nobody serves.
trapped() {
	start_paged 24M -b "file:$work/tmp" -- "$hostile" --trap --seconds 60
	run=$owner
	if ! wait_for 60 says "$work/out" trapped; then
		skip "detach from a trap" "$(tail -n 1 "$work/out")"
		return
	fi
	sleep 3 # time passes on purpose: who reads falls into it
	pid=$(find_named "$run" hostile)
	if timeout "$patience" "$VSWAP" detach "$pid" >"$work/detach" 2>&1; then
		pass "detach from a trap"
	else
		fail "detach from a trap" "no answer" "$work/detach"
	fi
	kill -KILL "$pid" 2>/dev/null
	wait_for 20 all_gone "$run" || kill -KILL "$run"
}

beside
trapped
finish
