/* SPDX-License-Identifier: MIT */
/*
 * Description: the tier thread writes what is above the share, to the backends that it should and
 * in their order, makes room where there is none, and packs more tightly when nothing else happens.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include "tier_fixture.h"

static void test_written_back(void **state)
{
	struct world *world = open_world(1, (unsigned int[]){100}, (int[]){0});

	fill(world, PAGES);
	check_all(world);
	assert_true(world->controls[0]->writes >= 40);
	assert_true(store_ram_bytes(world->store) <= RAM_BYTES);
	assert_string_equal(world->said, "");
	close_world(world);
}

/* Without anyone's kick: the thread watches its share itself. */
static void test_share_is_kept(void **state)
{
	struct world *world = open_world(1, (unsigned int[]){100}, (int[]){0});

	fill(world, 3000);
	tier_set_share(world->tier, 6 * MIB);
	while (store_ram_bytes(world->store) > 6 * MIB)
		let_it_rest(world);
	check_all(world);
	close_world(world);
}

static void test_priorities(void **state)
{
	struct world *world = open_world(3, (unsigned int[]){20, 100, 100}, (int[]){5, 9, -1});

	fill(world, PAGES);
	check_all(world);
	/* "second" has the highest priority and room for all. */
	assert_true(world->controls[1]->writes >= 40);
	assert_int_equal(world->controls[0]->writes, 0);
	assert_int_equal(world->controls[2]->writes, 0);
	close_world(world);
}

/* What may go to "second" alone goes nowhere else, whatever the priorities; what must stay in RAM
 * stays, and is not in the way of what comes after it. */
static void test_tiers(void **state)
{
	struct world *world = open_world(2, (unsigned int[]){100, 100}, (int[]){9, 1});
	unsigned int page = 0;

	store_writer_select(world->writer, 0);
	for (; page < 1000; page++)
		assert_true(put(world, page, 1));
	store_writer_select(world->writer, 2);
	for (; page < PAGES / 2; page++)
		assert_true(put(world, page, 1));
	assert_int_equal(world->controls[0]->writes, 0);
	assert_true(world->controls[1]->writes >= 16);
	store_writer_select(world->writer, STORE_ANY_TIER);
	for (; page < PAGES; page++)
		assert_true(put(world, page, 1));
	check_all(world);
	assert_true(world->controls[0]->writes >= 16);
	/* More of what must stay finds no room, and that is known at once. */
	store_writer_select(world->writer, 0);
	for (page = 0; page < PAGES && put(world, page, 2); page++)
		;
	assert_in_range(page, 1000, RAM_BYTES / PAGE_BYTES);
	check_all(world);
	store_writer_select(world->writer, STORE_ANY_TIER);
	for (; page < PAGES; page++)
		assert_true(put(world, page, 2));
	check_all(world);
	close_world(world);
}

static void test_equal_priorities_share(void **state)
{
	struct world *world = open_world(2, (unsigned int[]){100, 100}, (int[]){1, 1});

	world->controls[0]->delay_us = 2000;
	world->controls[1]->delay_us = 2000;
	fill(world, PAGES);
	check_all(world);
	assert_true(world->controls[0]->writes > 0);
	assert_true(world->controls[1]->writes > 0);
	close_world(world);
}

static void test_overflows_to_the_next(void **state)
{
	struct world *world = open_world(2, (unsigned int[]){10, 100}, (int[]){2, 1});

	fill(world, PAGES);
	check_all(world);
	assert_true(world->controls[0]->writes >= 10);
	assert_true(world->controls[1]->writes >= 30);
	close_world(world);
}

/* What waits for room gets it from one that comes, also at the address of one that went. */
static void test_one_comes(void **state)
{
	struct world *world = open_world(2, (unsigned int[]){0, 100}, (int[]){0, 0});
	struct backend *late = world->backends[1];
	unsigned int page, writes;

	/* Not there any more, and then another one. */
	tier_retire(world->tier, late, true);
	for (page = 0; page < PAGES && put(world, page, 1); page++)
		;
	assert_in_range(page, 1000, PAGES / 2);
	assert_int_equal(world->controls[1]->writes, 0);
	assert_int_equal(tier_add_backend(world->tier, late), 0);
	for (; page < PAGES; page++)
		assert_true(put(world, page, 1));
	check_all(world);
	assert_true(world->controls[1]->writes >= 40);
	/* It is this one that is meant, not the one before. */
	tier_retire(world->tier, late, true);
	let_it_rest(world);
	writes = world->controls[1]->writes;
	for (page = 0; page < PAGES && put(world, page, 2); page++)
		;
	assert_int_equal(world->controls[1]->writes, writes);
	check_all(world);
	for (unsigned int i = 3; i < BACKEND_MOST; i++)
		assert_int_equal(tier_add_backend(world->tier, late), 0);
	assert_int_equal(tier_add_backend(world->tier, late), -ENOSPC);
	close_world(world);
}

static void test_no_backends(void **state)
{
	struct world *world = open_world(0, NULL, NULL);
	unsigned int page = 0;

	while (page < PAGES && put(world, page, 1))
		page++;
	assert_true(page >= 2000 && page < PAGES);
	/* Holes everywhere: only the cleaner can make room of them. */
	for (unsigned int i = 0; i < page; i++)
		if (i % 4)
			drop(world, i);
	for (unsigned int i = 0; i < 1000; i++) {
		for (int tries = 0; !put(world, page + i, 2); tries++) {
			assert_true(tries < 1000);
			pass_time(world, MILLISECOND);
		}
	}
	check_all(world);
	close_world(world);
}

/* A full backend of segments that are mostly dead is read back, cleaned and used again. */
static void test_full_of_dead_pages(void **state)
{
	struct world *world = open_world(1, (unsigned int[]){20}, (int[]){0});
	unsigned int page = 0, filled;

	while (page < PAGES && put(world, page, 1))
		page++;
	assert_true(page < PAGES);
	/* One page in five stays, everywhere: no segment dies by itself. */
	for (filled = page, page = 0; page < filled; page++)
		if (page % 5)
			drop(world, page);
	/* More than fits into RAM. */
	for (page = 0; page < filled / 10 * 6; page++) {
		unsigned int tries = 0;

		if (page % 5 == 0)
			continue;
		while (!put(world, page, 2)) {
			assert_true(++tries < 10000);
			pass_time(world, MILLISECOND);
		}
	}
	check_all(world);
	close_world(world);
}

static void *wait_often(void *argument)
{
	struct world *world = argument;

	/* Far longer than the test may take: a lost wake-up hangs it. */
	for (int i = 0; i < 2000; i++)
		tier_wait_room(world->tier, 1000u * 1000 * 1000);
	return NULL;
}

static void test_no_wake_up_is_lost(void **state)
{
	struct world *world = open_world(1, (unsigned int[]){100}, (int[]){0});
	pthread_t threads[4];

	/* A short nap would end the wait of who was not woken. */
	world->naps_whole = true;
	fill(world, 3000);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, wait_often, world), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	check_all(world);
	close_world(world);
}

/* Lines of a log: much alike from page to page. */
static void make_lines(unsigned int page, char *bytes)
{
	uint64_t dice = page * 0x9e3779b97f4a7c15ull + 1;
	size_t at = 0;

	while (at < PAGE_BYTES) {
		dice ^= dice << 13;
		dice ^= dice >> 7;
		dice ^= dice << 17;
		at += (size_t)snprintf(bytes + at, PAGE_BYTES - at,
				       "%08x GET /index/%u.html 200 %u\n", (unsigned int)dice,
				       (unsigned int)(dice >> 40 & 1023),
				       (unsigned int)(dice >> 32 & 65535));
	}
}

/* Within the share, with nobody waiting: packed more tightly while nothing else happens, left
 * alone while pages come and go. */
static void test_packs_when_idle(void **state)
{
	struct world *world = open_world_of(32 * MIB, 0, NULL, NULL);
	char wanted[PAGE_BYTES], got[PAGE_BYTES];
	uint64_t id, before, traffic = 0;
	unsigned int pages = 0;

	tier_set_share(world->tier, 32 * MIB);
	for (; store_ram_bytes(world->store) < 24 * MIB; pages++) {
		make_lines(pages, wanted);
		tier_note_traffic(world->tier, ++traffic << 20);
		assert_int_equal(store_reserve(world->writer, 1), 0);
		slot_at(world, pages, &id);
		set_slot(world, pages, store_put(world->writer, id, wanted));
		store_published(world->writer);
	}
	before = store_ram_bytes(world->store);
	for (int i = 0; i < 20; i++) {
		tier_note_traffic(world->tier, ++traffic << 20);
		pass_time(world, SECOND);
		let_it_rest(world);
	}
	assert_true(store_ram_bytes(world->store) >= before);
	/* Nine of ten parts of the time it rests. */
	for (int i = 0; i < 6000 && store_ram_bytes(world->store) > before - 4 * MIB; i++) {
		pass_time(world, SECOND);
		let_it_rest(world);
	}
	assert_true(store_ram_bytes(world->store) <= before - 4 * MIB);
	for (unsigned int page = 0; page < pages; page++) {
		make_lines(page, wanted);
		assert_int_equal(get(world, page, got), 0);
		assert_memory_equal(got, wanted, PAGE_BYTES);
	}
	close_world(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_written_back),
		cmocka_unit_test(test_share_is_kept),
		cmocka_unit_test(test_priorities),
		cmocka_unit_test(test_tiers),
		cmocka_unit_test(test_equal_priorities_share),
		cmocka_unit_test(test_overflows_to_the_next),
		cmocka_unit_test(test_one_comes),
		cmocka_unit_test(test_no_backends),
		cmocka_unit_test(test_full_of_dead_pages),
		cmocka_unit_test(test_no_wake_up_is_lost),
		cmocka_unit_test(test_packs_when_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
