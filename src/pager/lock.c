/* SPDX-License-Identifier: MIT */
#include "pager/lock.h"

#include <assert.h>
#include <time.h>
#include "attach/channel.h"
#include "pager/futex.h"
#include "pager/protocol.h"

/* Spins so long before it sleeps, about as long as a COPY or a chunk of MOVEs takes: waking a
 * thread on another CPU costs as much again. */
#define SPIN_NS	 20000
#define PAUSES	 16 /* between two looks at the clock */
#define SLEEP_NS 200000

static uint32_t load(struct memory_lock *lock)
{
	return __atomic_load_n(&lock->word->word, __ATOMIC_ACQUIRE);
}

/* Should the word be another one by now (lock_move), it is held for writing, or as free as `from`
 * says. */
static bool change(struct memory_lock *lock, uint32_t from, uint32_t to)
{
	return __atomic_compare_exchange_n(&lock->word->word, &from, to, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

static void wake(struct lock_word *word)
{
	if (__atomic_load_n(&word->waiters, __ATOMIC_SEQ_CST))
		futex_wake(&word->word, INT32_MAX);
}

static void sleep_on(struct memory_lock *lock, uint32_t seen)
{
	struct lock_word *word = lock->word;

	__atomic_fetch_add(&word->waiters, 1, __ATOMIC_SEQ_CST);
	futex_wait(&word->word, seen, SLEEP_NS);
	__atomic_fetch_sub(&word->waiters, 1, __ATOMIC_SEQ_CST);
}

struct wait {
	unsigned int turns;
	uint64_t began; /* ns */
	uint64_t since; /* ns, of the first sleep behind the agent */
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
	if (!(seen & LOCK_AGENT)) {
		wait->since = 0;
	} else if (!wait->since) {
		wait->since = monotonic_ns();
	} else if (monotonic_ns() - wait->since > AGENT_PATIENCE_US * 1000ull) {
		lock->revoke(lock->argument);
		wait->since = 0;
		return;
	}
	sleep_on(lock, seen);
}

void lock_read(struct memory_lock *lock)
{
	struct wait wait = {0};

	for (;;) {
		uint32_t seen = load(lock);

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
		seen = load(lock);
		if (seen & (LOCK_WRITER | LOCK_WANTED))
			return false;
	} while (!change(lock, seen, seen + 1));
	return true;
}

void unlock_read(struct memory_lock *lock)
{
	uint32_t before = __atomic_fetch_sub(&lock->word->word, 1, __ATOMIC_SEQ_CST);

	assert(before & LOCK_READERS);
	if ((before & LOCK_READERS) == 1)
		wake(lock->word);
}

void lock_write(struct memory_lock *lock)
{
	struct wait wait = {0};

	for (;;) {
		uint32_t seen = load(lock);

		if (!(seen & (LOCK_WRITER | LOCK_AGENT | LOCK_READERS))) {
			if (change(lock, seen, (seen & LOCK_REVOKED) | LOCK_WRITER))
				return;
		} else if (!(seen & LOCK_WANTED)) {
			change(lock, seen, seen | LOCK_WANTED);
		} else {
			wait_turn(lock, &wait, seen);
		}
	}
}

void unlock_write(struct memory_lock *lock)
{
	uint32_t before = __atomic_fetch_and(&lock->word->word, ~LOCK_WRITER, __ATOMIC_SEQ_CST);

	assert(before & LOCK_WRITER);
	wake(lock->word);
}

void lock_downgrade(struct memory_lock *lock)
{
	uint32_t before = __atomic_fetch_sub(&lock->word->word, LOCK_WRITER - 1, __ATOMIC_SEQ_CST);

	assert(before & LOCK_WRITER);
	/* Writers would wake in vain, readers can wait until this one is done. */
}

void lock_expel_agent(struct memory_lock *lock)
{
	__atomic_fetch_or(&lock->word->word, LOCK_REVOKED, __ATOMIC_SEQ_CST);
	__atomic_fetch_and(&lock->word->word, ~LOCK_AGENT, __ATOMIC_SEQ_CST);
	wake(lock->word);
}

void lock_admit_agent(struct memory_lock *lock)
{
	__atomic_fetch_and(&lock->word->word, ~LOCK_REVOKED, __ATOMIC_SEQ_CST);
}

void lock_move(struct memory_lock *lock, struct lock_word *word)
{
	assert(load(lock) & LOCK_WRITER);
	/* The old one stays as it is: nobody gets it any more. */
	__atomic_store_n(&word->word, LOCK_WRITER, __ATOMIC_RELEASE);
	lock->word = word;
}
