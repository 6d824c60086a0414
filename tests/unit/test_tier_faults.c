/* SPDX-License-Identifier: MIT */
/*
 * Description: the tier thread against backends that fail, are full, slow, stalled or
 * wrong: every page that was put is read back right, or its loss is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "tier_fixture.h"

/* The file system is fuller than the backend thought. */
static void test_no_space_after_all(void **state)
{
	struct world *world = open_world(2, (unsigned int[]){100, 100}, (int[]){2, 1});

	world->controls[0]->write_error = ENOSPC;
	world->controls[0]->fail_writes = FAULT_ALWAYS;
	fill(world, PAGES);
	check_all(world);
	assert_int_equal(world->controls[0]->writes, 0);
	assert_true(world->controls[1]->writes >= 40);
	assert_int_equal(times_said(world, "no room left"), 1);
	close_world(world);
}

static void test_a_few_errors(void **state)
{
	struct world *world = open_world(1, (unsigned int[]){100}, (int[]){0});

	world->controls[0]->fail_writes = 3;
	/* No other backend: it may look hopeless for a while, and then goes on. */
	for (unsigned int page = 0; page < PAGES;)
		if (put(world, page, 1))
			page++;
		else
			pass_time(world, MILLISECOND);
	check_all(world);
	assert_int_equal(times_said(world, "writing failed"), 1);
	assert_true(world->controls[0]->writes >= 40);
	close_world(world);
}

static void test_death(void **state)
{
	struct world *world = open_world(2, (unsigned int[]){100, 100}, (int[]){2, 1});

	fill(world, PAGES / 2);
	world->controls[0]->fail_writes = FAULT_ALWAYS;
	for (unsigned int page = PAGES / 2; page < PAGES; page++)
		assert_true(put(world, page, 1));
	/* What it held before is still read from it. */
	check_all(world);
	assert_true(world->controls[1]->writes > 0);
	assert_int_equal(times_said(world, "backend first: writing failed ("), 1);
	close_world(world);
}

/* One that failed until it counted as dead is well again: it is written to again. */
static void test_recovery(void **state)
{
	struct world *world = open_world(2, (unsigned int[]){100, 100}, (int[]){2, 1});
	struct backend *first = world->backends[0];
	unsigned int page = 0;

	world->controls[0]->fail_writes = FAULT_ALWAYS;
	while (first->operations->health(first) != BACKEND_DEAD) {
		assert_true(put(world, page++ % PAGES, 1));
		pass_time(world, MILLISECOND);
	}
	world->controls[0]->fail_writes = 0;
	while (!world->controls[0]->writes) {
		assert_true(put(world, page++ % PAGES, 1));
		pass_time(world, MILLISECOND);
	}
	close_world(world);
}

static uint64_t errors_of(struct backend *backend)
{
	struct backend_statistics statistics;

	backend->operations->statistics(backend, &statistics);
	return statistics.errors;
}

/* A backend that fails is left alone for a while, however often somebody asks for room, and then
 * gets one write. */
static void test_failing_rests(void **state)
{
	struct world *world = open_world(1, (unsigned int[]){100}, (int[]){0});
	unsigned int page = 0;
	uint64_t errors;

	world->controls[0]->fail_writes = FAULT_ALWAYS;
	while (put(world, page, 1))
		page++;
	let_it_rest(world);
	errors = errors_of(world->backends[0]);
	assert_true(errors > 0);
	for (int i = 0; i < 20; i++)
		assert_false(put(world, page, 1));
	let_it_rest(world);
	assert_int_equal(errors_of(world->backends[0]), errors);
	for (unsigned int times = 1; times <= 3; times++) {
		pass_time(world, 10 * SECOND);
		put(world, page, 1);
		let_it_rest(world);
		assert_int_equal(errors_of(world->backends[0]), errors + times);
	}
	check_all(world);
	close_world(world);
}

static void test_nothing_anywhere(void **state)
{
	struct world *world = open_world(1, (unsigned int[]){4}, (int[]){0});
	unsigned int page = 0;

	while (page < PAGES && put(world, page, 1))
		page++;
	assert_true(page > 0 && page < PAGES);
	while (!times_said(world, "no space anywhere")) {
		assert_false(put(world, page, 1));
		pass_time(world, 10 * MILLISECOND);
	}
	for (int i = 0; i < 100; i++)
		assert_false(put(world, page, 1));
	check_all(world);
	assert_int_equal(times_said(world, "no space anywhere"), 1);
	/* Room comes back as pages die; a whole segment's worth at the least. */
	for (unsigned int i = 0; i < page; i++)
		drop(world, i);
	assert_true(put(world, page, 1));
	check_all(world);
	close_world(world);
}

/* What lacks is memory to write from: no other backend would help. */
static void test_no_memory(void **state)
{
	struct world *world = open_world(1, (unsigned int[]){100}, (int[]){0});
	unsigned int page = 0;

	while (page < 1000 && put(world, page, 1))
		page++;
	assert_int_equal(page, 1000);
	store_set_ram(world->store, 0);
	while (put(world, page, 1))
		page++;
	while (!times_said(world, "though backend first has room")) {
		assert_false(put(world, page, 1));
		pass_time(world, 10 * MILLISECOND);
	}
	assert_int_equal(times_said(world, "no space anywhere"), 0);
	check_all(world);
	close_world(world);
}

static void test_stall(void **state)
{
	struct world *world = open_world(2, (unsigned int[]){100, 100}, (int[]){2, 1});

	world->controls[0]->stalled = true;
	for (unsigned int page = 0; page < PAGES;)
		if (put_passing(world, page, 1, SECOND / 10))
			page++;
	check_all(world);
	assert_int_equal(world->controls[0]->writes, 0);
	assert_int_equal(times_said(world, "backend first: no answer"), 1);
	world->controls[0]->stalled = false;
	while (!world->controls[0]->writes)
		let_it_rest(world);
	check_all(world);
	close_world(world);
}

static void test_in_flight_is_bounded(void **state)
{
	struct world *world = open_world(1, (unsigned int[]){100}, (int[]){0});

	world->controls[0]->delay_us = 3000;
	fill(world, PAGES / 2);
	check_all(world);
	assert_true(world->controls[0]->most_in_flight <= 4);
	/* Closing waits for what is on its way. */
	close_world(world);
}

/* Wrong bytes are found out; the next read is right again. */
static void test_corruption(void **state)
{
	struct world *world = open_world(1, (unsigned int[]){100}, (int[]){0});
	char got[PAGE_BYTES];
	unsigned int wrong = 0;

	fill(world, PAGES);
	world->controls[0]->corrupt_reads = 5;
	world->controls[0]->fail_reads = 0;
	for (unsigned int page = 0; page < 100; page++) {
		int error = get(world, page, got);

		assert_true(error == 0 || error == -EILSEQ);
		wrong += error == -EILSEQ;
	}
	assert_int_equal(wrong, 5);
	world->controls[0]->fail_reads = 3;
	for (unsigned int page = 0; page < 3; page++)
		assert_int_equal(get(world, page, got), -EIO);
	check_all(world);
	close_world(world);
}

struct reading {
	struct world *world;
	atomic_bool stop;
	unsigned int seed;
	long bad, reads;
};

/* Reads whatever slots hold; each page's first word must be one that was put there. */
static void *read_always(void *argument)
{
	struct reading *reading = argument;
	char got[PAGE_BYTES], expected[PAGE_BYTES];

	while (!reading->stop) {
		unsigned int page = (unsigned int)rand_r(&reading->seed) % PAGES;
		bool found = false;

		if (get(reading->world, page, got))
			reading->bad++;
		memset(expected, 0, sizeof(expected));
		for (uint32_t version = 0; version < 4 && !found; version++) {
			if (version)
				make_page(page, version, expected);
			found = !memcmp(got, expected, sizeof(got));
		}
		reading->bad += !found;
		reading->reads++;
	}
	return NULL;
}

/* Puts, drops and reads at random while writes fail, wait and run out of room. */
static void test_storm(void **state)
{
	struct world *world = open_world(3, (unsigned int[]){12, 30, 100}, (int[]){3, 2, 1});
	struct reading reading = {.world = world, .seed = 7};
	unsigned int seed = 1;
	pthread_t thread;

	for (int i = 0; i < 2; i++) {
		world->controls[i]->fail_one_in = 3 + i;
		world->controls[i]->delay_us = 500;
	}
	assert_int_equal(pthread_create(&thread, NULL, read_always, &reading), 0);
	for (int i = 0; i < 60000; i++) {
		unsigned int page = (unsigned int)rand_r(&seed) % PAGES;

		switch (rand_r(&seed) % 8) {
		case 0:
			drop(world, page);
			break;
		case 1:
		case 2:
			check_page(world, page);
			break;
		default:
			put(world, page, 1 + (uint32_t)rand_r(&seed) % 3);
		}
		if (i % 10000 == 0)
			tier_set_share(world->tier, (uint64_t)(4 + rand_r(&seed) % 12) * MIB);
	}
	reading.stop = true;
	pthread_join(thread, NULL);
	assert_int_equal(reading.bad, 0);
	assert_true(reading.reads > 0);
	check_all(world);
	close_world(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_space_after_all),
		cmocka_unit_test(test_a_few_errors),
		cmocka_unit_test(test_death),
		cmocka_unit_test(test_recovery),
		cmocka_unit_test(test_failing_rests),
		cmocka_unit_test(test_nothing_anywhere),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_stall),
		cmocka_unit_test(test_in_flight_is_bounded),
		cmocka_unit_test(test_corruption),
		cmocka_unit_test(test_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
