#!/bin/sh
# SPDX-License-Identifier: MIT
# Programs that people run: Redis, Node.js, Python, a static one. Each checks its own data.
. "$(dirname "$0")/../lib.sh"
need_vswap

check_run() {
	name=$1 budget=$2
	shift 2
	paged 150 "$budget" -- "$@"
	judge "$name in $budget" $?
}

python() {
	cat >"$work/heap.py" <<-'END'
	import gc, hashlib, random, threading
	def work(seed, out):
	    r = random.Random(seed)
	    d = {}
	    for i in range(60000):
	        d[i] = (str(i) * 4, [i, i + 1, r.random()], bytes([i & 255]) * 50)
	    for i in range(0, 60000, 7):
	        del d[i]
	    gc.collect()
	    for i, (s, l, b) in d.items():
	        assert s == str(i) * 4 and l[:2] == [i, i + 1] and b == bytes([i & 255]) * 50, i
	    out.append(hashlib.sha256(repr(sorted(d)).encode()).hexdigest())
	out = []
	threads = [threading.Thread(target=work, args=(s, out)) for s in range(3)]
	[t.start() for t in threads]
	[t.join() for t in threads]
	assert len(out) == 3 and len(set(out)) == 1, out
	END
	check_run "Python, three threads" 24M python3 "$work/heap.py"
	cat >"$work/pool.py" <<-'END'
	import multiprocessing
	data = {i: str(i) * 5 for i in range(150000)}
	def look(part):
	    return sum(data[i] == str(i) * 5 for i in range(part, 150000, 4))
	if __name__ == "__main__":
	    with multiprocessing.get_context("fork").Pool(4) as pool:
	        assert sum(pool.map(look, range(4))) == 150000
	    assert all(data[i] == str(i) * 5 for i in data)
	END
	check_run "Python, a pool of forked processes" 24M python3 "$work/pool.py"
}

node_heap() {
	cat >"$work/heap.js" <<-'END'
	const crypto = require('crypto');
	const map = new Map();
	for (let i = 0; i < 150000; i++)
	    map.set(i, { name: 'entry ' + i, values: [i, i * 2, i / 3], bytes: Buffer.alloc(64, i & 255) });
	for (let round = 0; round < 3; round++) {
	    for (const [i, e] of map) {
	        if (e.name !== 'entry ' + i || e.values[1] !== i * 2 || e.bytes[63] !== (i & 255))
	            throw new Error('entry ' + i + ' is wrong');
	        if (i % 5 === round) map.set(i, { ...e, values: [i, i * 2, round] });
	    }
	    crypto.createHash('sha256').update(Buffer.alloc(1 << 22, round)).digest();
	}
	END
	check_run "Node.js" 64M node "$work/heap.js"
}

redis_answers() {
	redis-cli -s "$socket" ping | grep -q PONG
}

redis_has_saved() {
	redis-cli -s "$socket" info persistence | grep -q 'rdb_bgsave_in_progress:0'
}

redis() {
	socket=$work/run/redis
	start_paged 24M -- redis-server --port 0 --unixsocket "$socket" --save "" \
		--appendonly no --dir "$work/tmp"
	wait_for 20 redis_answers || { fail "redis" "did not start" "$work/out"; return; }
	server=$(pgrep -P "$owner" -x redis-server | head -n 1)
	started="$started $server"
	awk 'BEGIN { for (i = 0; i < 60000; i++) {
		v = ""; for (j = 0; j < 24; j++) v = v sprintf("value-%d-%d ", i, (i * 31 + j * 17) % 997)
		printf "SET key:%d \"%s\"\r\n", i, v } }' >"$work/set"
	redis-cli -s "$socket" --pipe <"$work/set" >"$work/pipe" 2>&1
	if ! grep -q 'errors: 0' "$work/pipe"; then
		fail "redis" "values could not be set" "$work/pipe"
		return
	fi
	for round in 1 2; do
		awk 'BEGIN { for (i = 0; i < 60000; i++) printf "GET key:%d\n", (i * 7919) % 60000 }' |
			redis-cli -s "$socket" >"$work/got" 2>&1
		awk 'BEGIN { for (n = 0; n < 60000; n++) { i = (n * 7919) % 60000
			v = ""; for (j = 0; j < 24; j++) v = v sprintf("value-%d-%d ", i, (i * 31 + j * 17) % 997)
			print v } }' >"$work/want"
		if ! cmp -s "$work/got" "$work/want"; then
			fail "redis" "round $round: values are wrong" "$work/out"
			return
		fi
	done
	# A snapshot is written by a forked child, which reads all of it.
	redis-cli -s "$socket" save >/dev/null 2>&1
	redis-cli -s "$socket" bgsave >/dev/null 2>&1
	wait_for 60 redis_has_saved
	saved=$(redis-cli -s "$socket" info persistence | grep -c 'rdb_last_bgsave_status:ok')
	anon=$(kib "$server" RssAnon)
	redis-cli -s "$socket" shutdown nosave >/dev/null 2>&1
	wait "$owner"
	status=$?
	if [ "$status" != 0 ] || [ "$saved" != 1 ]; then
		fail "redis" "status $status, background save $saved" "$work/out"
	elif have redis-check-rdb && ! redis-check-rdb "$work/tmp/dump.rdb" >"$work/rdb" 2>&1; then
		fail "redis" "its snapshot is broken" "$work/rdb"
	else
		pass "redis in 24M: 60000 values right twice, a snapshot too ($anon KiB at the end)"
	fi
	rm -f "$work/tmp/dump.rdb"
}

check_run "a static program" 16M "$BUILD/tests/hazard/hazard-static_program"
if have python3; then python; else skip "Python" "not installed"; fi
if have node; then node_heap; else skip "Node.js" "not installed"; fi
if have redis-server && have redis-cli; then redis; else skip "redis" "not installed"; fi
finish
