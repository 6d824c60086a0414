/* SPDX-License-Identifier: MIT */
#include "pager/attached/lock.h"

#include <assert.h>
#include <time.h>
#include "attach/channel.h"
#include "base/futex.h"
#include "pager/attached/protocol.h"

/* Spins so long before it sleeps, about as long as a COPY or a chunk of MOVEs takes: waking a
 * thread on another CPU costs as much again. */
#define SPIN_NS	 20000
#define PAUSES	 16 /* between two looks at the clock */
#define SLEEP_NS 200000

static uint32_t load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static bool change(struct memory_lock *lock, uint32_t from, uint32_t to)
{
	return __atomic_compare_exchange_n(&lock->word, &from, to, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

static void wake(struct memory_lock *lock)
{
	if (__atomic_load_n(&lock->waiters, __ATOMIC_SEQ_CST))
		futex_wake(&lock->word, INT32_MAX);
}

struct wait {
	unsigned int turns;
	uint64_t began; /* ns */
};

static bool is_spinning(struct wait *wait)
{
	uint64_t now;

	__builtin_ia32_pause();
	if (++wait->turns % PAUSES)
		return true;
	now = monotonic_ns();
	if (!wait->began)
		wait->began = now;
	return now - wait->began < SPIN_NS;
}

/* One turn of waiting for the word to become something else than `seen`. */
static void wait_turn(struct memory_lock *lock, struct wait *wait, uint32_t seen)
{
	if (is_spinning(wait))
		return;
	__atomic_fetch_add(&lock->waiters, 1, __ATOMIC_SEQ_CST);
	futex_wait(&lock->word, seen, SLEEP_NS);
	__atomic_fetch_sub(&lock->waiters, 1, __ATOMIC_SEQ_CST);
}

/* ---- the gate ---- */

static void gate_close(struct memory_lock *lock)
{
	struct gate *gate = lock->gate;

	if (gate)
		__atomic_store_n(&gate->closed, 1, __ATOMIC_SEQ_CST);
}

/* Held for writing. Another that waits to write keeps it closed. */
static void gate_open(struct memory_lock *lock)
{
	struct gate *gate = lock->gate;

	if (!gate || load(&lock->word) & LOCK_WANTED)
		return;
	__atomic_store_n(&gate->closed, 0, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&gate->agent_waits, __ATOMIC_SEQ_CST))
		futex_wake(&gate->closed, 1);
}

static bool is_moving(const struct memory_lock *lock, const struct gate *gate)
{
	return lock->admitted && __atomic_load_n(&gate->moving, __ATOMIC_SEQ_CST);
}

/* Held for writing, and the gate is closed: the agent ends its chunk, or is revoked. */
static void wait_for_agent(struct memory_lock *lock)
{
	struct gate *gate = lock->gate;
	struct wait wait = {0};

	while (gate && is_moving(lock, gate)) {
		if (is_spinning(&wait))
			continue;
		if (monotonic_ns() - wait.began > AGENT_PATIENCE_US * 1000ull) {
			lock->revoke(lock->argument);
			return;
		}
		__atomic_store_n(&gate->owner_waits, 1, __ATOMIC_SEQ_CST);
		futex_wait(&gate->moving, 1, SLEEP_NS);
		__atomic_store_n(&gate->owner_waits, 0, __ATOMIC_SEQ_CST);
	}
}

/* ---- the lock ---- */

void lock_read(struct memory_lock *lock)
{
	struct wait wait = {0};

	for (;;) {
		uint32_t seen = load(&lock->word);

		if (seen & (LOCK_WRITER | LOCK_WANTED))
			wait_turn(lock, &wait, seen);
		else if (change(lock, seen, seen + 1))
			return;
	}
}

bool lock_try_read(struct memory_lock *lock)
{
	uint32_t seen;

	do {
		seen = load(&lock->word);
		if (seen & (LOCK_WRITER | LOCK_WANTED))
			return false;
	} while (!change(lock, seen, seen + 1));
	return true;
}

void unlock_read(struct memory_lock *lock)
{
	uint32_t before = __atomic_fetch_sub(&lock->word, 1, __ATOMIC_SEQ_CST);

	assert(before & LOCK_READERS);
	if ((before & LOCK_READERS) == 1)
		wake(lock);
}

void lock_write(struct memory_lock *lock)
{
	struct wait wait = {0};

	for (;;) {
		uint32_t seen = load(&lock->word);

		if (!(seen & (LOCK_WRITER | LOCK_READERS))) {
			if (change(lock, seen, LOCK_WRITER))
				break;
		} else if (!(seen & LOCK_WANTED)) {
			if (change(lock, seen, seen | LOCK_WANTED))
				gate_close(lock);
		} else {
			wait_turn(lock, &wait, seen);
		}
	}
	gate_close(lock);
	wait_for_agent(lock);
}

void unlock_write(struct memory_lock *lock)
{
	uint32_t before;

	gate_open(lock);
	before = __atomic_fetch_and(&lock->word, ~LOCK_WRITER, __ATOMIC_SEQ_CST);
	assert(before & LOCK_WRITER);
	wake(lock);
}

void lock_downgrade(struct memory_lock *lock)
{
	uint32_t before;

	gate_open(lock);
	before = __atomic_fetch_sub(&lock->word, LOCK_WRITER - 1, __ATOMIC_SEQ_CST);
	assert(before & LOCK_WRITER);
	/* Writers would wake in vain, readers can wait until this one is done. */
}

void lock_expel_agent(struct memory_lock *lock)
{
	struct gate *gate = lock->gate;

	lock->admitted = false;
	if (gate)
		__atomic_store_n(&gate->revoked, 1, __ATOMIC_SEQ_CST);
}

void lock_admit_agent(struct memory_lock *lock)
{
	struct gate *gate = lock->gate;

	assert_reading(lock);
	__atomic_store_n(&gate->revoked, 0, __ATOMIC_SEQ_CST);
	lock->admitted = true;
}

void lock_set_gate(struct memory_lock *lock, struct gate *gate)
{
	assert_writing(lock);
	lock->admitted = false;
	lock->gate = gate;
}
