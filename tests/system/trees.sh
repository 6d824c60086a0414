#!/bin/sh
# SPDX-License-Identifier: MIT
# Whole jobs under one budget: storms of forks, servers with many children, short processes, daemons,
# two jobs at once, compilers, Python's multiprocessing, Redis saving, PostgreSQL. All data is
# checked. TREES_PAGES (default 450000) pages are checked by fork storms, TREES_SEED
# repeats them; TREES_MIB (96) is what the server with children holds, TREES_PROCESSES
# (1000) how many short ones there are. TREES="storm redis" runs some cases only.
. "$(dirname "$0")/../lib.sh"
need_vswap

trees=$BUILD/tests/trees
pages=${TREES_PAGES:-450000}
seed=${TREES_SEED:-$(date +%s)}
mib=${TREES_MIB:-96}
processes=${TREES_PROCESSES:-1000}
limit=${TREES_TIMEOUT:-$((150 + pages / 2000))}

# under BUDGET COMMAND...: with a file for what does not compress; the output goes to $work/out.
under() {
	budget=$1
	shift
	paged "$limit" "$budget" -b "file:$work/tmp" --stats "$work/stats" -- "$@"
}

# fork_storm NAME SHARE BUDGET OPTIONS...
fork_storm() {
	name=$1 share=$2 budget=$3
	shift 3
	seed=$((seed + 1))
	status=0
	under "$budget" "$trees/forkstorm" --pages $((pages * share / 100)) --seed $seed "$@" ||
		status=$?
	judge "fork storm, $name (seed $seed)" $status 'pages checked'
}

storm() {
	fork_storm "a quarter" 30 24M --mib 96
	fork_storm "killed at random" 25 24M --mib 64 --kill
	fork_storm "one thread" 20 16M --mib 48 --threads 1
	fork_storm "small and many" 25 16M --mib 16 --threads 4
}

prefork() {
	status=0
	under $((mib / 4))M "$trees/prefork" --mib "$mib" --children 16 --seconds 4 || status=$?
	judge "a server with 16 children" $status 'pages checked'
	# Pages leave the children, too, and at once from all: each alone wants all of it.
	peak=$(sed -n 's/^ *"peak_bytes": *\([0-9]*\).*/\1/p' "$work/stats")
	if [ "${peak:-0}" -gt 0 ] && [ "$peak" -lt $((mib * 2 * 1048576)) ]; then
		pass "17 processes that share $mib MiB peak at $((peak / 1048576)) MiB"
	else
		fail "17 processes that share $mib MiB" "peak at ${peak:-no} bytes" "$work/stats"
	fi
	status=0
	under $((mib / 4))M "$trees/prefork" --mib "$mib" --children 16 --seconds 2 --cold 0 \
		--writers 1 || status=$?
	judge "a server whose children all write" $status 'pages checked'
}

short() {
	status=0
	under 16M "$trees/spawn" --processes "$processes" --mib 32 || status=$?
	judge "short processes" $status 'processes in'
}

jobs() {
	status=0
	under 24M sh -c "$trees/jobs --idle --mib 32 --seconds 4 & idle=\$!
		$trees/jobs --mib 24 --seconds 3 --seed 2 || exit 1; wait \$idle" || status=$?
	judge "one idle, one busy" $status 'idle: right'
	under 24M sh -c "$trees/jobs --mib 32 --seconds 3 & first=\$!
		$trees/jobs --mib 32 --seconds 3 --seed 2 || exit 1; wait \$first" || status=$?
	[ "$(grep -c 'busy: right' "$work/out")" = 2 ] || status=1
	judge "two that compete" $status
}

daemon() {
	status=0
	under 16M "$trees/jobs" --daemon --mib 32 --seconds 2 || status=$?
	judge "a daemon that outlives its parents" $status 'busy: right'
}

python() {
	have python3 || { skip "Python's multiprocessing" "not installed"; return; }
	cat >"$work/pool.py" <<-'END'
	import hashlib, multiprocessing, os
	entries = 120000
	data = [("entry %d" % i, i * i, bytes([i & 255]) * 40) for i in range(entries)]
	def look(part):
	    digest = hashlib.sha256()
	    own = []
	    for i in range(part, entries, 8):
	        name, square, raw = data[i]
	        assert name == "entry %d" % i and square == i * i and raw == bytes([i & 255]) * 40, i
	        own.append((name, raw + name.encode()))
	        digest.update(name.encode())
	    assert all(own[k][1].endswith(own[k][0].encode()) for k in range(len(own)))
	    return part, len(own), digest.hexdigest()
	def main():
	    with multiprocessing.get_context("fork").Pool(4) as pool:
	        results = pool.map(look, list(range(8)) * 2, chunksize=1)
	    for part, count, digest in results:
	        wanted = hashlib.sha256(b"".join(b"entry %d" % i for i in range(part, entries, 8)))
	        assert count == entries // 8 and digest == wanted.hexdigest(), part
	    assert sum(square for _, square, _ in data) == sum(i * i for i in range(entries))
	    with multiprocessing.get_context("spawn").Pool(2) as pool:
	        assert pool.map(abs, range(-1000, 0)) == list(range(1000, 0, -1))
	    print("pool: all right")
	if __name__ == "__main__":
	    main()
	else:
	    data = []
	END
	# Programs that are spawned read the file anew and need no list.
	status=0
	under 24M python3 "$work/pool.py" || status=$?
	judge "Python's multiprocessing" $status 'all right'
}

compile() {
	have gcc || { skip "a parallel compile" "no gcc"; return; }
	mkdir "$work/source" "$work/with" "$work/without"
	for n in 1 2 3 4 5 6 7 8 9 10; do
		awk -v n=$n -v functions=40 -f "$root/tests/system/functions.awk" >"$work/source/$n.c"
	done
	cat >"$work/compile.sh" <<-'END'
	cd "$1" && ls *.c | xargs -P 2 -I @ gcc -O1 -c @ -o "$2/@.o"
	END
	if ! sh "$work/compile.sh" "$work/source" "$work/without" >"$work/out" 2>&1; then
		fail "a parallel compile" "fails without vswap" "$work/out"
		return
	fi
	status=0
	under 48M sh "$work/compile.sh" "$work/source" "$work/with" || status=$?
	diff -r "$work/with" "$work/without" >>"$work/out" 2>&1 || status="$status, other objects"
	judge "a parallel compile" "$status"
}

redis_answers() {
	redis-cli -s "$socket" ping | grep -q PONG
}

redis_has_saved() {
	redis-cli -s "$socket" info persistence | grep -q 'rdb_bgsave_in_progress:0'
}

redis_values() {
	awk -v form="$1" 'BEGIN { for (i = 0; i < 30000; i++) {
		v = ""; for (j = 0; j < 20; j++) v = v sprintf("value-%d-%d ", i, (i * 31 + j * 17) % 997)
		if (form == "set") printf "SET checked:%d \"%s\"\r\n", i, v
		else if (form == "get") printf "GET checked:%d\r\n", i
		else print v } }'
}

# Are all values there? NAME is what it is called if not.
redis_right() {
	redis_values get | redis-cli -s "$1" >"$work/got" 2>&1
	cmp -s "$work/got" "$work/want"
}

# Saves in the background while it is written to; true when that went well.
redis_save() {
	redis-benchmark -s "$1" -q -t set,lpush -r 20000 -n 30000 -d 300 -c 8 >"$work/benchmark" 2>&1 &
	benchmark=$!
	started="$started $benchmark"
	redis-cli -s "$1" bgsave >/dev/null
	wait_for 100 redis_has_saved || return 1
	wait "$benchmark" || return 1
	redis-cli -s "$1" info persistence | grep -q 'rdb_last_bgsave_status:ok'
}

redis() {
	name="redis saves while it is written to"
	if ! have redis-server || ! have redis-benchmark; then
		skip "$name" "redis-server or redis-benchmark is not installed"
		return
	fi
	socket=$work/run/redis
	start_paged 16M -b "file:$work/tmp" -- redis-server --port 0 \
		--unixsocket "$socket" --save "" --dir "$work/tmp"
	redis_values set >"$work/set"
	redis_values want >"$work/want"
	wait_for 20 redis_answers || { fail "$name" "it did not start" "$work/out"; return; }
	redis-cli -s "$socket" --pipe <"$work/set" >"$work/pipe" 2>&1
	grep -q 'errors: 0' "$work/pipe" || { fail "$name" "values could not be set" "$work/pipe"; return; }
	fault=
	for round in 1 2; do
		redis_save "$socket" || fault="save $round went wrong"
		redis_right "$socket" || fault="values are wrong after save $round"
	done
	redis-cli -s "$socket" shutdown nosave >/dev/null 2>&1
	wait "$owner" || fault="${fault:-status $?}"
	[ -z "$fault" ] || { fail "$name" "$fault" "$work/out"; return; }
	redis-server --port 0 --unixsocket "$socket" --save "" --dir "$work/tmp" >"$work/out" 2>&1 &
	server=$!
	started="$started $server"
	wait_for 20 redis_answers || { fail "$name" "its file cannot be loaded" "$work/out"; return; }
	if redis_right "$socket"; then
		pass "$name: 30000 values right, twice, and in the file"
	else
		fail "$name" "the file has other values" "$work/out"
	fi
	redis-cli -s "$socket" shutdown nosave >/dev/null 2>&1
	wait "$server"
	rm -f "$work/tmp/dump.rdb"
}

# PostgreSQL does not run as root: there is the user postgres then.
as_postgres() {
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid=postgres --regid=postgres --clear-groups "$@"
	else
		"$@"
	fi
}

sql() {
	as_postgres psql -h "$work/pg" -U "$pg_user" -At -c "$1" postgres 2>&1
}

# Starts it with what stands before its name, "vswap run" or nothing.
pg_start() {
	"$@" "$pg/postgres" -D "$work/pg/data" -k "$work/pg" -c listen_addresses= -c huge_pages=off \
		-c shared_buffers=32MB -c work_mem=64MB -c max_parallel_workers_per_gather=2 \
		-c fsync=off >"$work/out" 2>&1 &
	server=$!
	started="$started $server"
	wait_for 20 pg_answers
}

pg_answers() {
	sql 'select 1' | grep -qx 1
}

pg_stop() {
	as_postgres "$pg/pg_ctl" -D "$work/pg/data" -m fast -w stop >/dev/null 2>&1
	wait "$server"
}

# Some 50 MiB of a process's own memory: the order of hashes.
pg_sort='select md5(string_agg(aid::text, chr(44) order by md5(aid::text))) from pgbench_accounts
	where aid <= 120000'
pg_balances='select (select sum(abalance) from pgbench_accounts) = (select sum(tbalance) from
	pgbench_tellers) and (select sum(bbalance) from pgbench_branches) = (select sum(delta) from
	pgbench_history) and (select sum(tbalance) from pgbench_tellers) = (select sum(delta) from
	pgbench_history)'

postgresql() {
	name="PostgreSQL under pgbench"
	pg=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)
	if [ ! -x "$pg/postgres" ] || ! have pgbench; then
		skip "$name" "the package postgresql is not installed"
		return
	fi
	pg_user=postgres
	as= # what makes a process of ours one of that user's
	if [ "$(id -u)" = 0 ]; then
		as="setpriv --reuid=postgres --regid=postgres --clear-groups"
	fi
	mkdir "$work/pg"
	# The user must come to it.
	chmod 711 "$work"
	[ "$(id -u)" != 0 ] || chown postgres "$work/pg"
	# shellcheck disable=SC2086
	if ! (cd / && as_postgres "$pg/initdb" -D "$work/pg/data" -U postgres -A trust --no-sync) \
		>"$work/out" 2>&1 || ! pg_start $as; then
		fail "$name" "it cannot be set up" "$work/out"
		return
	fi
	as_postgres pgbench -h "$work/pg" -U postgres -q -i -s 5 postgres >"$work/pgbench" 2>&1
	wanted=$(sql "$pg_sort")
	pg_stop
	# shellcheck disable=SC2086
	if ! pg_start timeout -s KILL "$limit" "$VSWAP" run -q -m 24M -b "file:$work/tmp" -- $as; then
		fail "$name" "it did not start" "$work/out"
		return
	fi
	status=0
	as_postgres pgbench -h "$work/pg" -U postgres -c 4 -T 10 postgres >"$work/pgbench" 2>&1 &
	load=$!
	sorted=$(sql "$pg_sort")
	wait $load || status=$?
	balances=$(sql "$pg_balances")
	pg_stop || status="$status, the server $?"
	if [ "$status" != 0 ]; then
		cat "$work/out" >>"$work/pgbench"
		fail "$name" "status $status" "$work/pgbench"
	elif [ "$balances" != t ]; then
		fail "$name" "the balances do not agree: $balances" "$work/out"
	elif [ -z "$wanted" ] || [ "$sorted" != "$wanted" ]; then
		fail "$name" "a large sort gave '$sorted', not '$wanted'" "$work/out"
	else
		pass "$name: $(sed -n 's/^number of transactions actually processed: //p' "$work/pgbench") transactions, balances agree"
	fi
}

need_built "$trees/forkstorm"
for case in ${TREES:-storm prefork short jobs daemon python compile redis postgresql}; do
	[ -z "${TREES_TIMES:-}" ] || echo "      $(date +%T) $case"
	$case
done
finish
