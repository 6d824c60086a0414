/* SPDX-License-Identifier: MIT */
/*
 * Description: the memory lock keeps writers alone, lets them go first, and waits for no agent.
 *
 * The agent here is a thread that goes through the gate as src/attach/agent.c does. The
 * kernel's barrier (staging that is unregistered lets nothing move any more) is a mutex and
 * a flag. What the lock guards are plain variables, so that ThreadSanitizer sees a
 * lock that does not order what is done under it.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>
#include "attach/channel.h"
#include "base/futex.h"
#include "pager/attached/lock.h"
#include "pager/attached/protocol.h"

#define READERS	  3
#define WRITERS	  2
#define ROUNDS	  10000u
#define HANG_SECS 100

static struct {
	struct memory_lock lock;
	struct gate gate;
	uint64_t a, b; /* what it guards: always equal */

	pthread_mutex_t staging; /* stands for the kernel's mmap lock */
	bool registered;
	_Atomic unsigned int revoked;
	_Atomic uint64_t since; /* ns: nobody has waited for longer */
	_Atomic uint64_t shortest;

	_Atomic int readers, writers, agents; /* inside */
	_Atomic unsigned int broken;
	_Atomic unsigned int working; /* threads with rounds to go */
	pthread_barrier_t start;
} the;

/* Other threads than cmocka's own count what is wrong. */
static void expect(bool right)
{
	if (!right)
		atomic_fetch_add(&the.broken, 1);
}

static uint32_t word(void)
{
	return __atomic_load_n(&the.lock.word, __ATOMIC_ACQUIRE);
}

static void revoke_agent(void *argument)
{
	uint64_t waited = monotonic_ns() - the.since;

	expect(argument == &the);
	pthread_mutex_lock(&the.staging);
	the.registered = false;
	the.agents = 0;
	lock_expel_agent(&the.lock);
	pthread_mutex_unlock(&the.staging);
	if (!the.revoked || waited < the.shortest)
		the.shortest = waited;
	atomic_fetch_add(&the.revoked, 1);
}

static int setup(void **state)
{
	memset(&the, 0, sizeof(the));
	the.lock = (struct memory_lock){
		.gate = &the.gate,
		.admitted = true,
		.revoke = revoke_agent,
		.argument = &the,
	};
	the.registered = true;
	the.since = monotonic_ns();
	return pthread_mutex_init(&the.staging, NULL);
}

/* ---- the agent ---- */

static void agent_give(void)
{
	__atomic_store_n(&the.gate.moving, 0, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&the.gate.owner_waits, __ATOMIC_SEQ_CST))
		futex_wake(&the.gate.moving, INT32_MAX);
}

/* False: revoked. */
static bool agent_take(void)
{
	for (;;) {
		bool open, revoked;

		__atomic_store_n(&the.gate.moving, 1, __ATOMIC_SEQ_CST);
		open = !__atomic_load_n(&the.gate.closed, __ATOMIC_SEQ_CST);
		revoked = __atomic_load_n(&the.gate.revoked, __ATOMIC_SEQ_CST);
		if (open && !revoked)
			return true;
		agent_give();
		if (revoked)
			return false;
		__atomic_store_n(&the.gate.agent_waits, 1, __ATOMIC_SEQ_CST);
		futex_wait(&the.gate.closed, 1, 1000000);
		__atomic_store_n(&the.gate.agent_waits, 0, __ATOMIC_SEQ_CST);
	}
}

/* One MOVE, which the kernel does only into registered staging. False: it did not. */
static bool agent_move(void)
{
	bool registered;

	pthread_mutex_lock(&the.staging);
	registered = the.registered;
	if (registered) {
		the.agents = 1;
		expect(!the.writers && the.a == the.b);
	}
	pthread_mutex_unlock(&the.staging);
	return registered;
}

static void agent_done(void)
{
	pthread_mutex_lock(&the.staging);
	the.agents = 0;
	pthread_mutex_unlock(&the.staging);
	agent_give();
}

/* What the evictor does before its next batch. */
static void agent_again(void)
{
	lock_read(&the.lock);
	lock_admit_agent(&the.lock);
	unlock_read(&the.lock);
	pthread_mutex_lock(&the.staging);
	the.registered = the.lock.admitted;
	pthread_mutex_unlock(&the.staging);
}

/* Each 50th time it goes on moving until it is revoked. */
static void *agent(void *argument)
{
	expect(agent_take() && agent_move());
	pthread_barrier_wait(&the.start);
	for (unsigned int turn = 0; the.working; turn++) {
		while (agent_move() && turn % 50 == 0 && the.working)
			usleep(200);
		agent_done();
		sched_yield();
		while (!agent_take())
			agent_again();
	}
	agent_done();
	return NULL;
}

/* ---- the owner's threads ---- */

static void read_inside(void)
{
	atomic_fetch_add(&the.readers, 1);
	expect(!the.writers && the.a == the.b);
	if (the.a % 16 == 0)
		sched_yield();
	expect(!the.writers && the.a == the.b);
	atomic_fetch_sub(&the.readers, 1);
}

static void *reader(void *argument)
{
	pthread_barrier_wait(&the.start);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		lock_read(&the.lock);
		read_inside();
		unlock_read(&the.lock);
	}
	atomic_fetch_sub(&the.working, 1);
	return NULL;
}

static void write_inside(void)
{
	expect(atomic_fetch_add(&the.writers, 1) == 0);
	expect(!the.readers && !the.agents);
	the.a++;
	if (the.a % 8 == 0)
		sched_yield();
	the.b++;
	expect(!the.readers && !the.agents);
	atomic_fetch_sub(&the.writers, 1);
}

static void *writer(void *argument)
{
	pthread_barrier_wait(&the.start);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint64_t seen;

		lock_write(&the.lock);
		write_inside();
		if (i % 4) {
			unlock_write(&the.lock);
			continue;
		}
		seen = the.a;
		lock_downgrade(&the.lock);
		read_inside();
		expect(the.a == seen);
		unlock_read(&the.lock);
	}
	atomic_fetch_sub(&the.working, 1);
	return NULL;
}

static void run_all(bool with_agent)
{
	pthread_t thread[READERS + WRITERS + 1];
	unsigned int count = READERS + WRITERS + with_agent;

	the.working = READERS + WRITERS;
	pthread_barrier_init(&the.start, NULL, count);
	for (unsigned int i = 0; i < count; i++) {
		void *(*body)(void *) = i < READERS		? reader
					: i < READERS + WRITERS ? writer
								: agent;

		assert_int_equal(pthread_create(&thread[i], NULL, body, NULL), 0);
	}
	for (unsigned int i = 0; i < count; i++)
		pthread_join(thread[i], NULL);
	pthread_barrier_destroy(&the.start);
	assert_int_equal(the.broken, 0);
	assert_int_equal(the.a, WRITERS * ROUNDS);
	assert_int_equal(the.b, WRITERS * ROUNDS);
	assert_int_equal(word(), 0);
	assert_int_equal(the.lock.waiters, 0);
	assert_int_equal(the.gate.closed, 0);
}

static void test_exclusion(void **state)
{
	run_all(false);
	assert_int_equal(the.revoked, 0);
}

static void test_exclusion_with_agent(void **state)
{
	run_all(true);
	assert_true(the.revoked > 0);
	assert_true(the.shortest >= AGENT_PATIENCE_US * 1000ull);
}

/* ---- one at a time ---- */

/* The agent never ends its chunk: the writer has it revoked, once, and goes on. */
static void test_agent_revoked(void **state)
{
	assert_true(agent_take());
	the.since = monotonic_ns();
	lock_write(&the.lock);
	assert_int_equal(the.revoked, 1);
	assert_true(the.shortest >= AGENT_PATIENCE_US * 1000ull);
	assert_int_equal(word(), LOCK_WRITER);
	unlock_write(&the.lock);
	/* Nobody waits for it any more, though it says that it moves still. */
	lock_write(&the.lock);
	assert_int_equal(the.revoked, 1);
	unlock_write(&the.lock);
	/* It wakes up at last, and may do nothing until it is told. */
	agent_give();
	assert_false(agent_take());
	lock_read(&the.lock);
	unlock_read(&the.lock);
	assert_false(agent_take());
	lock_write(&the.lock);
	lock_downgrade(&the.lock);
	assert_false(agent_take());
	lock_admit_agent(&the.lock);
	assert_true(agent_take());
	unlock_read(&the.lock);
	agent_give();
	assert_int_equal(word(), 0);
	assert_int_equal(the.broken, 0);
}

/* Readers and the agent are together, and do not wait for one another. */
static void test_agent_among_readers(void **state)
{
	assert_true(agent_take());
	lock_read(&the.lock);
	lock_read(&the.lock);
	assert_int_equal(word(), 2);
	agent_give();
	assert_true(agent_take());
	unlock_read(&the.lock);
	unlock_read(&the.lock);
	agent_give();
	assert_int_equal(the.revoked, 0);
}

/* What the program writes into the gate at the worst moment: writers and readers go on, and a
 * wait costs the agent's patience once. */
static void test_gate_scribbled(void **state)
{
	static const uint32_t values[] = {0, 1, UINT32_MAX, LOCK_WRITER};

	for (unsigned int i = 0; i < 4; i++) {
		uint32_t value = values[i];

		lock_read(&the.lock);
		the.gate = (struct gate){value, value, value, value, value};
		lock_admit_agent(&the.lock);
		unlock_read(&the.lock);
		the.since = monotonic_ns();
		lock_write(&the.lock);
		the.gate = (struct gate){value, value, value, value, value};
		assert_int_equal(word(), LOCK_WRITER);
		lock_downgrade(&the.lock);
		assert_int_equal(word(), 1);
		the.gate = (struct gate){value, value, value, value, value};
		unlock_read(&the.lock);
		assert_int_equal(word(), 0);
		assert_int_equal(the.revoked, i);
	}
}

/* While a writer has the lock the gate is closed, and an agent that came first is waited for. */
static void *agent_once(void *argument)
{
	expect(agent_take());
	expect(!the.writers && the.a == the.b);
	agent_give();
	return NULL;
}

static void test_gate_closed(void **state)
{
	pthread_t thread;

	lock_write(&the.lock);
	the.writers = 1;
	assert_int_equal(pthread_create(&thread, NULL, agent_once, NULL), 0);
	while (!__atomic_load_n(&the.gate.agent_waits, __ATOMIC_SEQ_CST))
		sched_yield();
	the.writers = 0;
	lock_downgrade(&the.lock);
	pthread_join(thread, NULL);
	unlock_read(&the.lock);
	assert_int_equal(the.broken, 0);
	assert_int_equal(the.revoked, 0);
}

static void wait_until_word_has(uint32_t bits)
{
	while ((word() & bits) != bits)
		usleep(100);
}

static void *write_once(void *argument)
{
	lock_write(&the.lock);
	write_inside();
	unlock_write(&the.lock);
	return NULL;
}

/* Only an agent is ever revoked: a slow reader is waited for. */
static void test_slow_reader(void **state)
{
	pthread_t thread;

	lock_read(&the.lock);
	assert_int_equal(pthread_create(&thread, NULL, write_once, NULL), 0);
	wait_until_word_has(LOCK_WANTED);
	/* Time passes on purpose: an agent would be revoked by then. */
	usleep(5 * AGENT_PATIENCE_US);
	assert_int_equal(the.a, 0);
	assert_int_equal(the.revoked, 0);
	unlock_read(&the.lock);
	pthread_join(thread, NULL);
	assert_int_equal(the.a, 1);
	assert_int_equal(the.revoked, 0);
	assert_int_equal(the.broken, 0);
}

static _Atomic int late_reader_saw;

static void *read_once(void *argument)
{
	lock_read(&the.lock);
	late_reader_saw = (int)the.a;
	unlock_read(&the.lock);
	return NULL;
}

/* A writer that waits goes before readers, and before the agent, that come later. */
static void test_writers_first(void **state)
{
	pthread_t write, read;

	late_reader_saw = -1;
	lock_read(&the.lock);
	assert_int_equal(pthread_create(&write, NULL, write_once, NULL), 0);
	wait_until_word_has(LOCK_WANTED);
	assert_int_equal(pthread_create(&read, NULL, read_once, NULL), 0);
	/* Until the late reader sleeps behind the writer, or has come in. */
	while (__atomic_load_n(&the.lock.waiters, __ATOMIC_SEQ_CST) < 2 && late_reader_saw < 0)
		sched_yield();
	assert_int_equal(late_reader_saw, -1);
	unlock_read(&the.lock);
	pthread_join(write, NULL);
	pthread_join(read, NULL);
	assert_int_equal(late_reader_saw, 1);
	assert_int_equal(the.broken, 0);
}

/* From write to read without a gap, even with a writer at the door. */
static void test_downgrade(void **state)
{
	pthread_t thread;

	for (unsigned int i = 0; i < 50; i++) {
		lock_write(&the.lock);
		assert_int_equal(pthread_create(&thread, NULL, write_once, NULL), 0);
		wait_until_word_has(LOCK_WANTED);
		the.a += 2;
		lock_downgrade(&the.lock);
		for (unsigned int turn = 0; turn < 20; turn++) {
			assert_int_equal(the.a, 3 * i + 2);
			sched_yield();
		}
		the.b += 2;
		unlock_read(&the.lock);
		pthread_join(thread, NULL);
		assert_int_equal(the.a, 3 * i + 3);
	}
	/* With nobody at the door other readers come in at once. */
	lock_write(&the.lock);
	lock_downgrade(&the.lock);
	lock_read(&the.lock);
	assert_int_equal(word(), 2);
	unlock_read(&the.lock);
	unlock_read(&the.lock);
	assert_int_equal(the.broken, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_agent_among_readers, setup),
		cmocka_unit_test_setup(test_agent_revoked, setup),
		cmocka_unit_test_setup(test_gate_scribbled, setup),
		cmocka_unit_test_setup(test_gate_closed, setup),
		cmocka_unit_test_setup(test_slow_reader, setup),
		cmocka_unit_test_setup(test_writers_first, setup),
		cmocka_unit_test_setup(test_downgrade, setup),
		cmocka_unit_test_setup(test_exclusion, setup),
		cmocka_unit_test_setup(test_exclusion_with_agent, setup),
	};

	/* A lock that is never had is a failure, not a wait without end. */
	alarm(HANG_SECS);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
