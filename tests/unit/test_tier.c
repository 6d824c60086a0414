/* SPDX-License-Identifier: MIT */
/*
 * Description: the tier thread against backends that fail, are full, slow, stalled or
 * wrong: every page that was put is read back right, or its loss is told.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fault_backend.h"
#include "store/store.h"
#include "tier/tier.h"

#define MIB	  (1ull << 20)
#define CLUSTERS  32u
#define PAGES	  (CLUSTERS * CLUSTER_SLOTS) /* 64 MiB that do not compress */
#define RAM_BYTES (16 * MIB)
#define SHARE	  (10 * MIB)
#define BACKENDS  3

/* A store, a tier, and what every slot should hold. */
struct world {
	struct store *store;
	struct space *space;
	struct store_writer *writer;
	struct tier *tier;
	struct backend *backends[BACKENDS];
	struct fault_controls *controls[BACKENDS];
	unsigned int backend_count;
	uint32_t clusters[CLUSTERS];
	uint32_t versions[PAGES]; /* 0: nothing was put */
	pthread_mutex_t lock;
	char said[4096]; /* all lines, each with a newline */
};

static void hear(void *argument, const char *line)
{
	struct world *world = argument;

	pthread_mutex_lock(&world->lock);
	strncat(world->said, line, sizeof(world->said) - strlen(world->said) - 2);
	strcat(world->said, "\n");
	pthread_mutex_unlock(&world->lock);
}

static unsigned int times_said(struct world *world, const char *part)
{
	unsigned int times = 0;

	pthread_mutex_lock(&world->lock);
	for (const char *at = world->said; (at = strstr(at, part)); at++)
		times++;
	pthread_mutex_unlock(&world->lock);
	return times;
}

static struct world *open_world_of(uint64_t ram, unsigned int backends, const unsigned int *extents,
				   const int *priorities)
{
	static const char *const names[BACKENDS] = {"first", "second", "third"};
	struct store_config config = {ram, ram, 4096};
	struct world *world = calloc(1, sizeof(*world));
	struct tier_config tier_config;

	assert_non_null(world);
	pthread_mutex_init(&world->lock, NULL);
	assert_int_equal(store_open(&world->store, &config, CLUSTERS + 1), 0);
	world->space = store_space(world->store);
	assert_int_equal(store_writer_open(world->store, &world->writer), 0);
	for (unsigned int i = 0; i < CLUSTERS; i++)
		assert_true((world->clusters[i] = cluster_new(world->space)));
	for (unsigned int i = 0; i < backends; i++) {
		world->backends[i] = fault_backend_open(names[i], priorities[i], extents[i]);
		world->controls[i] = fault_backend_controls(world->backends[i]);
	}
	world->backend_count = backends;
	tier_config = (struct tier_config){world->store, world->backends, backends, hear, world};
	assert_int_equal(tier_open(&world->tier, &tier_config), 0);
	tier_set_share(world->tier, SHARE);
	return world;
}

static struct world *open_world(unsigned int backends, const unsigned int *extents,
				const int *priorities)
{
	return open_world_of(RAM_BYTES, backends, extents, priorities);
}

static slot_t *slot_at(struct world *world, unsigned int page, uint64_t *id)
{
	uint32_t cluster = world->clusters[page / CLUSTER_SLOTS];

	*id = slot_id(cluster, page % CLUSTER_SLOTS);
	return &cluster_slots(world->space, cluster)[page % CLUSTER_SLOTS];
}

/* Bytes that no codec makes smaller, other ones for each page and version. */
static void make_page(unsigned int page, uint32_t version, void *bytes)
{
	uint64_t state = (uint64_t)page << 32 | version | 1ull << 63;

	for (unsigned int i = 0; i < PAGE_BYTES / 8; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		((uint64_t *)bytes)[i] = state;
	}
}

static void set_slot(struct world *world, unsigned int page, desc_t word)
{
	uint64_t id;
	slot_t *slot = slot_at(world, page, &id);
	desc_t old = slot_lock(slot);

	slot_unlock(slot, word);
	space_drop(world->space, old);
}

static void drop(struct world *world, unsigned int page)
{
	world->versions[page] = 0;
	set_slot(world, page, DESC_ABSENT);
}

/* False: no room, and none in sight. */
static bool put(struct world *world, unsigned int page, uint32_t version)
{
	char bytes[PAGE_BYTES];
	uint64_t id;

	while (store_reserve(world->writer, 1)) {
		if (!tier_wait_room(world->tier, 100000))
			return false;
	}
	slot_at(world, page, &id);
	make_page(page, version, bytes);
	set_slot(world, page, store_put(world->writer, id, bytes));
	store_published(world->writer);
	world->versions[page] = version;
	return true;
}

static int get(struct world *world, unsigned int page, void *bytes)
{
	uint64_t id;
	slot_t *slot = slot_at(world, page, &id);
	desc_t word = slot_lock(slot);
	int error = store_get(world->store, word, bytes);

	slot_unlock(slot, word);
	return error;
}

static void check_page(struct world *world, unsigned int page)
{
	char expected[PAGE_BYTES] = {0}, got[PAGE_BYTES];

	if (world->versions[page])
		make_page(page, world->versions[page], expected);
	assert_int_equal(get(world, page, got), 0);
	assert_memory_equal(got, expected, PAGE_BYTES);
}

static void check_all(struct world *world)
{
	for (unsigned int page = 0; page < PAGES; page++)
		check_page(world, page);
}

static void close_world(struct world *world)
{
	struct store_statistics left;

	tier_close(world->tier);
	store_writer_close(world->writer);
	store_check(world->store);
	space_check(world->space);
	for (unsigned int i = 0; i < CLUSTERS; i++)
		cluster_put(world->space, world->clusters[i]);
	store_statistics(world->store, &left);
	assert_int_equal(left.segments_ram, 0);
	assert_int_equal(left.segments_backend, 0);
	for (unsigned int i = 0; i < world->backend_count; i++) {
		struct backend_statistics statistics;

		/* Nothing leaks: dead pages take no room on any backend. */
		world->backends[i]->operations->statistics(world->backends[i], &statistics);
		assert_int_equal(statistics.used_bytes, 0);
	}
	store_close(world->store);
	for (unsigned int i = 0; i < world->backend_count; i++)
		backend_close(world->backends[i]);
	pthread_mutex_destroy(&world->lock);
	free(world);
}

static void fill(struct world *world, unsigned int pages)
{
	for (unsigned int page = 0; page < pages; page++)
		assert_true(put(world, page, 1));
}

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
		usleep(1000);
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
			usleep(1000);
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

static void test_nothing_anywhere(void **state)
{
	struct world *world = open_world(1, (unsigned int[]){4}, (int[]){0});
	unsigned int page = 0;

	while (page < PAGES && put(world, page, 1))
		page++;
	assert_true(page > 0 && page < PAGES);
	while (!times_said(world, "no space anywhere")) {
		assert_false(put(world, page, 1));
		usleep(1000);
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
			usleep(1000);
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
			usleep(1000);
		}
	}
	check_all(world);
	close_world(world);
}

static void test_stall(void **state)
{
	struct world *world = open_world(2, (unsigned int[]){100, 100}, (int[]){2, 1});

	world->controls[0]->stalled = true;
	for (unsigned int page = 0; page < PAGES;)
		if (put(world, page, 1))
			page++;
	check_all(world);
	assert_int_equal(world->controls[0]->writes, 0);
	assert_int_equal(times_said(world, "backend first: no answer"), 1);
	world->controls[0]->stalled = false;
	while (!world->controls[0]->writes)
		usleep(1000);
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
	for (int i = 0; i < 600; i++) {
		tier_note_traffic(world->tier, ++traffic << 20);
		usleep(1000);
	}
	assert_true(store_ram_bytes(world->store) >= before);
	for (int i = 0; i < 6000 && store_ram_bytes(world->store) > before - 4 * MIB; i++)
		usleep(10000);
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
		cmocka_unit_test(test_no_space_after_all),
		cmocka_unit_test(test_a_few_errors),
		cmocka_unit_test(test_death),
		cmocka_unit_test(test_nothing_anywhere),
		cmocka_unit_test(test_no_backends),
		cmocka_unit_test(test_full_of_dead_pages),
		cmocka_unit_test(test_stall),
		cmocka_unit_test(test_in_flight_is_bounded),
		cmocka_unit_test(test_corruption),
		cmocka_unit_test(test_storm),
		cmocka_unit_test(test_no_wake_up_is_lost),
		cmocka_unit_test(test_packs_when_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
