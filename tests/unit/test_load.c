/* SPDX-License-Identifier: MIT */
/*
 * Description: load control holds nobody while all is calm, holds all but a few when many processes
 * thrash, gives each its turn, and lets go of all afterwards.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "pager/job/load.h"
#include "pager/attached/state.h"

#define PROCESSES 6u
#define STEP_NS	  100000000u
#define SECOND	  1000000000ull

static struct attached attached[PROCESSES], *list[PROCESSES];
static struct pager pager;
static uint64_t now;

static int setup(void **state)
{
	memset(&pager, 0, sizeof(pager));
	memset(attached, 0, sizeof(attached));
	pthread_mutex_init(&pager.listing.lock, NULL);
	for (unsigned int i = 0; i < PROCESSES; i++) {
		list[i] = &attached[i];
		attached[i].task.has_agent = true;
		attached[i].count.resident_pages = 1000;
	}
	pager.listing.items = list;
	pager.listing.count = PROCESSES;
	pager.budget.target_pages = 1000 * PROCESSES;
	now = 100 * SECOND;
	load_look(&pager, now);
	return 0;
}

static unsigned int count_held(void)
{
	unsigned int held = 0;

	for (unsigned int i = 0; i < PROCESSES; i++)
		held += attached[i].serve.held;
	return held;
}

/* One look later: `busy` of them had many faults, those that are held few; pages came back. */
static void step(unsigned int busy, uint64_t back)
{
	now += STEP_NS;
	pager.figures.counters.pages_in += back;
	for (unsigned int i = 0; i < busy; i++)
		attached[i].count.faults += attached[i].serve.held ? 3 : 200;
	load_look(&pager, now);
}

static void test_calm(void **state)
{
	for (int i = 0; i < 100; i++) {
		step(PROCESSES, 100);
		assert_int_equal(count_held(), 0);
	}
	/* Few processes are not held, whatever they do. */
	for (int i = 0; i < 100; i++) {
		step(3, 5000);
		assert_int_equal(count_held(), 0);
	}
}

static void test_thrashing(void **state)
{
	bool worked[PROCESSES] = {false};

	for (int i = 0; i < 10; i++)
		step(PROCESSES, 5000);
	/* Half of the room: three of six. */
	assert_int_equal(count_held(), PROCESSES - 3);
	for (int i = 0; i < 100; i++) {
		step(PROCESSES, 5000);
		assert_in_range(count_held(), 1, PROCESSES - 1);
		for (unsigned int p = 0; p < PROCESSES; p++)
			worked[p] |= !attached[p].serve.held;
	}
	for (unsigned int p = 0; p < PROCESSES; p++)
		assert_true(worked[p]);
	/* One that has no part in it is left alone. */
	setup(NULL);
	for (int i = 0; i < 50; i++) {
		step(PROCESSES - 1, 5000);
		assert_false(attached[PROCESSES - 1].serve.held);
	}
	assert_true(count_held());
}

static void test_room(void **state)
{
	for (unsigned int i = 0; i < PROCESSES; i++)
		attached[i].count.resident_pages = 5000;
	/* None fits: one works all the same. */
	for (int i = 0; i < 50; i++)
		step(PROCESSES, 5000);
	assert_int_equal(count_held(), PROCESSES - 1);
}

static void test_ends(void **state)
{
	for (int i = 0; i < 20; i++)
		step(PROCESSES, 5000);
	assert_true(count_held());
	for (int i = 0; i < 60; i++)
		step(PROCESSES, 10);
	assert_int_equal(count_held(), 0);
	/* So it does when they end. */
	for (int i = 0; i < 20; i++)
		step(PROCESSES, 5000);
	assert_true(count_held());
	for (unsigned int i = 0; i < PROCESSES - 1; i++)
		attached[i].task.dead = true;
	for (int i = 0; i < 60; i++)
		step(PROCESSES, 10);
	assert_false(attached[PROCESSES - 1].serve.held);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_calm, setup),
		cmocka_unit_test_setup(test_thrashing, setup),
		cmocka_unit_test_setup(test_room, setup),
		cmocka_unit_test_setup(test_ends, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
