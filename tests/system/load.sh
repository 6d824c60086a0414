#!/bin/sh
# SPDX-License-Identifier: MIT
# Load control: of six processes that all bring in what they lost to one another, some are held; those
# have few faults, each works now and then, and all data is right. LOAD_SECONDS (12) is how long.
. "$(dirname "$0")/../lib.sh"
need_vswap

jobs=$BUILD/tests/trees/jobs
seconds=${LOAD_SECONDS:-12}
name="six processes that thrash"

need_built "$jobs"
have python3 || skip_all "no python3"

# Until the job has ended: how many processes were seen held, and how many of those not held at another
# time; and the faults a second of processes from one look to the next, when both found them so.
cat >"$work/watch.py" <<'END'
import json, statistics, subprocess, sys, time
vswap, pid = sys.argv[1:]
before, looks, rates = {}, {}, {"held": [], "paged": []}
while True:
    answer = subprocess.run([vswap, "stat", "--json", pid], capture_output=True, text=True).stdout
    now = time.monotonic()
    if not answer:
        break
    for process in json.loads(answer)["processes"]:
        if process["command"] != "jobs" or process["state"] not in ("held", "paged"):
            continue
        state = process["state"]
        looks.setdefault(process["pid"], set()).add(state)
        last = before.get(process["pid"])
        if last and state == last[0]:
            rates[state].append((process["faults"] - last[1]) / (now - last[2]))
        before[process["pid"]] = state, process["faults"], now
    time.sleep(0.2)
held = [seen for seen in looks.values() if "held" in seen]
worked = [seen for seen in held if "paged" in seen]
usual = {state: statistics.median(some) if some else 0 for state, some in rates.items()}
print("%d held, %d of them worked, %.0f faults a second while held, else %.0f" % (
    len(held), len(worked), usual["held"], usual["paged"]))
print("figures", len(held), len(worked), int(usual["held"]))
END

start_paged 48M -b "file:$work/tmp" -- sh -c "
	for seed in 1 2 3 4 5 6; do $jobs --mib 24 --seconds $seconds --seed \$seed & done; wait"
shell_found() {
	pid=$(find_named "$owner" sh)
	[ -n "$pid" ] && has_space "$pid"
}
wait_for 20 shell_found || { fail "$name" "it did not start" "$work/out"; finish; }
python3 "$work/watch.py" "$VSWAP" "$pid" >"$work/watched" 2>&1
status=0
wait "$owner" || status=$?
set -- $(sed -n 's/^figures //p' "$work/watched")
said=$(head -n 1 "$work/watched")
if [ "$status" != 0 ] || [ "$(grep -c 'busy: right' "$work/out")" != 6 ]; then
	fail "$name" "status $status, or data is wrong" "$work/out"
elif [ $# != 3 ] || [ "$1" -lt 2 ] || [ "$2" -lt 2 ]; then
	fail "$name" "none was held, or never worked again" "$work/watched"
elif [ "$3" -gt 200 ]; then
	fail "$name" "what is held has faults: $said" "$work/watched"
else
	pass "$name: $said"
fi
finish
