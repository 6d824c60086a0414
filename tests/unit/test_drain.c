/* SPDX-License-Identifier: MIT */
/*
 * Description: a backend is emptied while pages come and go: all of them are right, nothing is
 * left on it, and nothing is written to it any more. One that cannot be read, has nowhere to go, or
 * is called off stays as it was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <unistd.h>
#include "tier/drain.h"
#include "tier_fixture.h"

#define PATIENCE_NS 300000000ull

static uint64_t used_bytes(struct backend *backend)
{
	struct backend_statistics statistics;

	backend->operations->statistics(backend, &statistics);
	return statistics.used_bytes;
}

static struct drain *start(struct world *world, bool lose)
{
	const struct drain_config config = {world->store, world->tier, world->backends[0], lose,
					    PATIENCE_NS};
	struct drain *drain;

	assert_int_equal(drain_start(&drain, &config), 0);
	return drain;
}

/* Waits for its end; how it ended. */
static int end(struct drain *drain)
{
	struct drain_status status;

	do {
		usleep(1000);
		drain_look(drain, &status);
	} while (!status.ended);
	drain_free(drain);
	return status.error;
}

static void test_while_pages_come_and_go(void **state)
{
	struct world *world = open_world(2, (unsigned int[]){100, 100}, (int[]){2, 1});
	struct drain_status status;
	unsigned int page = 0;
	struct drain *drain;

	fill(world, PAGES);
	assert_true(used_bytes(world->backends[0]) > 0);
	drain = start(world, false);
	do {
		assert_true(put(world, page % PAGES, 2 + page / PAGES));
		check_page(world, (page * 7 + 1) % PAGES);
		page++;
		drain_look(drain, &status);
	} while (!status.ended);
	assert_int_equal(end(drain), 0);
	assert_int_equal(used_bytes(world->backends[0]), 0);
	store_forget_backend(world->store, world->backends[0]);
	fill(world, PAGES);
	assert_int_equal(used_bytes(world->backends[0]), 0);
	check_all(world);
	close_world(world);
}

/* The tier's thread may be about to begin a write: not before it has noticed is it over. */
static void test_the_tier_notices(void **state)
{
	struct world *world = open_world(2, (unsigned int[]){100, 100}, (int[]){2, 1});
	uint32_t passes;

	world->naps_whole = true;
	let_it_rest(world);
	passes = tier_passes(world->tier);
	assert_int_equal(end(start(world, false)), 0);
	assert_true(tier_passes(world->tier) - passes >= 2);
	close_world(world);
}

static void test_nowhere_to_go(void **state)
{
	struct world *world = open_world(1, (unsigned int[]){100}, (int[]){0});
	uint64_t writes;

	fill(world, PAGES);
	assert_int_equal(end(start(world, false)), -ENOSPC);
	check_all(world);
	/* It is written to as before. */
	writes = world->controls[0]->writes;
	for (unsigned int page = 0; page < PAGES; page++)
		assert_true(put(world, page, 2));
	assert_true(world->controls[0]->writes > writes);
	check_all(world);
	close_world(world);
}

static void test_called_off(void **state)
{
	struct world *world = open_world(2, (unsigned int[]){100, 100}, (int[]){2, 1});
	struct drain *drain;

	fill(world, PAGES);
	drain = start(world, false);
	drain_cancel(drain);
	assert_int_equal(end(drain), -ECANCELED);
	check_all(world);
	close_world(world);
}

static void test_unreadable(void **state)
{
	struct world *world = open_world(2, (unsigned int[]){100, 100}, (int[]){2, 1});
	unsigned int lost = 0;

	fill(world, PAGES);
	world->controls[0]->fail_reads = FAULT_ALWAYS;
	assert_int_equal(end(start(world, false)), -EIO);
	world->controls[0]->fail_reads = 0;
	check_all(world);
	world->controls[0]->fail_reads = FAULT_ALWAYS;
	assert_int_equal(end(start(world, true)), 0);
	assert_int_equal(used_bytes(world->backends[0]), 0);
	/* What was there only is lost, and says so; the others are right. */
	for (unsigned int page = 0; page < PAGES; page++) {
		char bytes[PAGE_BYTES];
		int error = get(world, page, bytes);

		assert_true(error == 0 || error == -EILSEQ);
		if (!error)
			check_page(world, page);
		else
			drop(world, page);
		lost += error != 0;
	}
	assert_true(lost > 0 && lost < PAGES);
	close_world(world);
}

static void test_priority(void **state)
{
	struct world *world = open_world(2, (unsigned int[]){100, 100}, (int[]){2, 1});

	tier_set_priority(world->tier, world->backends[1], 3);
	fill(world, PAGES);
	assert_int_equal(used_bytes(world->backends[0]), 0);
	assert_true(used_bytes(world->backends[1]) > 0);
	check_all(world);
	close_world(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_while_pages_come_and_go),
		cmocka_unit_test(test_the_tier_notices),
		cmocka_unit_test(test_nowhere_to_go),
		cmocka_unit_test(test_called_off),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_priority),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
