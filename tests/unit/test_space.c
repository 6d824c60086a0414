// SPDX-License-Identifier: MIT
/* Description: clusters, anchors and memories, without a store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include "space/space.h"

#define CLUSTERS 64u
#define SPAN	 (1ull << CLUSTER_SHIFT) /* of a cluster */

static unsigned int dropped;
static desc_t dropped_last;

static void drop(void *argument, desc_t word)
{
	dropped++;
	dropped_last = word;
}

static int setup(void **state)
{
	dropped = 0;
	return space_open((struct space **)state, CLUSTERS, drop, NULL);
}

static int teardown(void **state)
{
	space_check(*state);
	space_close(*state);
	return 0;
}

static desc_t stored(uint32_t segment, uint32_t grain)
{
	return desc_make_stored(desc_make_location(segment, grain * STORE_GRAIN, 160, 0));
}

static void set(struct memory *memory, uint64_t address, desc_t word)
{
	slot_t *slot = memory_bind(memory, address);

	assert_non_null(slot);
	slot_lock(slot);
	slot_unlock(slot, word);
}

static struct memory *new_memory(struct space *space)
{
	struct memory *memory;

	assert_int_equal(memory_open(&memory, space), 0);
	return memory;
}

static void test_clusters_run_out(void **state)
{
	uint32_t ids[CLUSTERS];

	for (uint32_t i = 0; i < CLUSTERS; i++) {
		ids[i] = cluster_new(*state);
		assert_int_not_equal(ids[i], SPACE_NO_CLUSTER);
	}
	assert_int_equal(cluster_new(*state), SPACE_NO_CLUSTER);
	cluster_put(*state, ids[7]);
	assert_int_equal(cluster_new(*state), ids[7]);
	assert_true(cluster_is_empty(*state, ids[7]));
}

static void test_put_drops(void **state)
{
	uint32_t cluster = cluster_new(*state);
	slot_t *slots = cluster_slots(*state, cluster);

	slots[3] = stored(5, 9);
	slots[4] = DESC_ZERO;
	slots[CLUSTER_SLOTS - 1] = desc_location(stored(6, 1)) | DESC_RESIDENT;
	cluster_share(*state, cluster);
	cluster_put(*state, cluster);
	assert_int_equal(dropped, 0);
	cluster_put(*state, cluster);
	assert_int_equal(dropped, 2);
	assert_int_equal(slots[3], 0);
}

static atomic_bool enough;
static atomic_uint turns;

static void *lock_and_unlock(void *argument)
{
	slot_t *slots = argument;

	for (uint32_t i = 0; !atomic_load(&enough); i++) {
		slot_t *slot = &slots[i % CLUSTER_SLOTS];
		desc_t word = slot_lock(slot);

		assert_int_equal(word, DESC_ABSENT);
		slot_unlock(slot, word);
		atomic_fetch_add(&turns, 1);
	}
	return NULL;
}

/* Who found an empty slot before its cluster was given up may lock it still: not while its page is
 * given back, for then the lock would be gone when it is unlocked, which slot_unlock asserts. */
static void test_put_beside_locks(void **state)
{
	uint32_t cluster = cluster_new(*state);
	pthread_t thread;

	atomic_store(&enough, false);
	atomic_store(&turns, 0);
	assert_int_equal(
		pthread_create(&thread, NULL, lock_and_unlock, cluster_slots(*state, cluster)), 0);
	for (unsigned int i = 0; i < 300 || atomic_load(&turns) < 10000; i++) {
		cluster_put(*state, cluster);
		assert_int_equal(cluster_new(*state), cluster);
	}
	atomic_store(&enough, true);
	pthread_join(thread, NULL);
	cluster_put(*state, cluster);
}

static void test_look_and_bind(void **state)
{
	struct memory *memory = new_memory(*state);
	const uint64_t high = MEMORY_END - PAGE_BYTES;
	uint64_t at;

	assert_null(memory_look(memory, high));
	assert_true(memory_must_bind(memory, high));
	assert_int_equal(memory_slot_id(memory, high), 0);
	set(memory, high, DESC_RESIDENT);
	set(memory, 5 * PAGE_BYTES, DESC_ZERO);
	assert_false(memory_must_bind(memory, high));
	assert_null(memory_look(memory, MEMORY_END));
	assert_true(memory_must_bind(memory, MEMORY_END));
	assert_null(memory_bind(memory, MEMORY_END));
	assert_int_not_equal(memory_move(memory, 4 * SPAN, MEMORY_END, SPAN), 0);
	assert_int_not_equal(memory_move(memory, MEMORY_END - SPAN, 4 * SPAN, 2 * SPAN), 0);
	assert_int_equal(*memory_look(memory, high), DESC_RESIDENT);
	assert_ptr_equal(space_slot(*state, memory_slot_id(memory, high)),
			 memory_look(memory, high));
	assert_int_equal(space_id(*state, memory_look(memory, high)), memory_slot_id(memory, high));
	assert_int_not_equal(memory_next(memory, 0, &at), SPACE_NO_CLUSTER);
	assert_int_equal(at, 0);
	assert_int_not_equal(memory_next(memory, SPAN, &at), SPACE_NO_CLUSTER);
	assert_int_equal(at, MEMORY_END - SPAN);
	assert_int_equal(memory_next(memory, MEMORY_END, &at), SPACE_NO_CLUSTER);
	memory_close(memory);
}

static void test_clear(void **state)
{
	struct memory *memory = new_memory(*state);
	struct space_statistics statistics;

	for (uint64_t i = 0; i < 3 * CLUSTER_SLOTS; i++)
		set(memory, i * PAGE_BYTES, stored(1, (uint32_t)i));
	assert_int_equal(memory_clear(memory, 7 * PAGE_BYTES, 41 * PAGE_BYTES), 0);
	assert_int_equal(dropped, 34);
	assert_int_equal(desc_state(*memory_look(memory, 6 * PAGE_BYTES)), DESC_STORED);
	assert_int_equal(*memory_look(memory, 7 * PAGE_BYTES), 0);
	assert_null(memory_look(memory, 20 * PAGE_BYTES));
	assert_int_equal(desc_state(*memory_look(memory, 41 * PAGE_BYTES)), DESC_STORED);
	/* The last slots of a cluster give it back. */
	assert_int_equal(memory_clear(memory, 0, 7 * PAGE_BYTES), 0);
	space_statistics(*state, &statistics);
	assert_int_equal(statistics.clusters, 1);
	memory_close(memory);
	assert_int_equal(dropped, 3 * CLUSTER_SLOTS);
}

static void test_fork_and_split(void **state)
{
	struct memory *parent = new_memory(*state), *child = new_memory(*state);
	struct space_statistics statistics;
	desc_t word = stored(3, 7) | DESC_REFERENCED;
	uint32_t anchor;

	set(parent, 0, word);
	set(parent, PAGE_BYTES, DESC_ZERO);
	set(parent, 2 * PAGE_BYTES, desc_location(stored(4, 4)) | DESC_RESIDENT);
	assert_int_equal(memory_fork(parent, child), 0);
	assert_ptr_equal(memory_look(parent, 0), memory_look(child, 0));
	assert_true(memory_must_bind(child, 0));
	set(child, PAGE_BYTES, DESC_RESIDENT);
	assert_ptr_not_equal(memory_look(parent, 0), memory_look(child, 0));
	assert_false(memory_must_bind(child, 0));
	assert_false(memory_must_bind(parent, 0));
	/* The stored page has one anchor with two counts, the shadow one holder. */
	anchor = desc_anchor(*memory_look(child, 0));
	assert_int_equal(*memory_look(child, 0), desc_make_shared(anchor) | DESC_REFERENCED);
	assert_int_equal(*memory_look(parent, 0), *memory_look(child, 0));
	assert_int_equal(anchor_count(*state, anchor), 2);
	assert_int_equal(*anchor_slot(*state, anchor), stored(3, 7));
	assert_int_equal(*memory_look(parent, PAGE_BYTES), DESC_ZERO);
	assert_int_equal(*memory_look(child, 2 * PAGE_BYTES), DESC_RESIDENT);
	assert_int_equal(desc_segment(*memory_look(parent, 2 * PAGE_BYTES)), 4);
	assert_ptr_equal(space_find_holder(*state, memory_slot_id(parent, 0), word),
			 anchor_slot(*state, anchor));
	space_check(*state);
	memory_close(parent);
	assert_int_equal(dropped, 1); /* the shadow */
	memory_close(child);
	assert_int_equal(dropped, 2);
	assert_true(dropped_last == stored(3, 7));
	space_statistics(*state, &statistics);
	assert_int_equal(statistics.anchors, 0);
	assert_int_equal(statistics.clusters, 0);
}

static void test_split_without_room(void **state)
{
	struct memory *parent = new_memory(*state), *child = new_memory(*state);

	for (uint64_t i = 0; i < CLUSTERS; i++)
		set(parent, i * SPAN, stored(1, (uint32_t)i));
	memory_fork(parent, child);
	assert_null(memory_bind(child, 0));
	/* A part of a shared cluster cannot be cleared; the call says so and changes nothing. */
	assert_int_not_equal(memory_clear(child, 0, PAGE_BYTES), 0);
	assert_int_equal(desc_state(*memory_look(child, 0)), DESC_STORED);
	/* Nothing to clear needs no copy, and whole clusters need none. */
	assert_int_equal(memory_clear(child, PAGE_BYTES, SPAN), 0);
	assert_int_equal(memory_clear(child, 0, CLUSTERS * SPAN), 0);
	memory_close(child);
	memory_close(parent);
	assert_int_equal(dropped, CLUSTERS);
}

static void test_move_whole(void **state)
{
	struct memory *memory = new_memory(*state);
	uint64_t id;

	set(memory, 4 * SPAN + PAGE_BYTES, stored(9, 1));
	set(memory, 20 * SPAN, stored(9, 2));
	id = memory_slot_id(memory, 4 * SPAN + PAGE_BYTES);
	assert_int_equal(memory_move(memory, 4 * SPAN, 20 * SPAN, SPAN), 0);
	assert_int_equal(dropped, 1);
	assert_int_equal(memory_slot_id(memory, 20 * SPAN + PAGE_BYTES), id);
	assert_null(memory_look(memory, 4 * SPAN));
	memory_close(memory);
}

static void test_move_slots(void **state)
{
	struct memory *memory = new_memory(*state);
	const uint64_t from = 3 * PAGE_BYTES, to = 8 * SPAN + (CLUSTER_SLOTS - 2) * PAGE_BYTES;
	uint32_t anchor;
	uint64_t id;

	set(memory, from, stored(2, 2) | DESC_REFERENCED);
	set(memory, from + PAGE_BYTES, desc_location(stored(2, 3)) | DESC_RESIDENT);
	set(memory, from + 2 * PAGE_BYTES, DESC_ZERO);
	id = memory_slot_id(memory, from);
	assert_int_equal(memory_move(memory, from, to, 4 * PAGE_BYTES), 0);
	assert_null(memory_look(memory, from));
	anchor = desc_anchor(*memory_look(memory, to));
	assert_int_equal(*memory_look(memory, to), desc_make_shared(anchor) | DESC_REFERENCED);
	assert_int_equal(anchor_count(*state, anchor), 1);
	assert_int_equal(*memory_look(memory, to + PAGE_BYTES), DESC_RESIDENT);
	assert_int_equal(dropped, 1);
	assert_int_equal(*memory_look(memory, to + 2 * PAGE_BYTES), DESC_ZERO);
	/* The header's slot is gone; the anchor is among the holders of its segment. */
	assert_null(space_find_holder(*state, id, stored(2, 2)));
	memory_close(memory);
	assert_int_equal(dropped, 2);
}

static void count_holder(void *argument, slot_t *slot, desc_t word)
{
	++*(unsigned int *)argument;
}

static void test_each_holder(void **state)
{
	struct memory *memory = new_memory(*state), *child = new_memory(*state);
	unsigned int found = 0;

	set(memory, 0, stored(2, 2));
	set(memory, PAGE_BYTES, stored(3, 2));
	memory_fork(memory, child);
	set(child, 9 * PAGE_BYTES, DESC_ZERO);
	set(child, SPAN, stored(2, 4));
	space_each_holder(*state, 2, false, count_holder, &found);
	assert_int_equal(found, 1);
	space_each_holder(*state, 2, true, count_holder, &found);
	assert_int_equal(found, 3);
	memory_close(memory);
	memory_close(child);
}

static void test_count(void **state)
{
	struct memory *memory = new_memory(*state);
	uint64_t count[8];

	set(memory, 0, DESC_ZERO);
	set(memory, SPAN, DESC_BAD);
	set(memory, SPAN + PAGE_BYTES, DESC_ZERO);
	memory_count(memory, count);
	assert_int_equal(count[DESC_ZERO], 2);
	assert_int_equal(count[DESC_BAD], 1);
	assert_int_equal(count[DESC_ABSENT], 2 * CLUSTER_SLOTS - 3);
	space_count(*state, count);
	assert_int_equal(count[DESC_ZERO], 2);
	memory_close(memory);
}

/* ---- what it costs ---- */

#define COST_PAGES (1u << 17)

static uint64_t metadata_of(struct space *space)
{
	struct space_statistics statistics;

	space_statistics(space, &statistics);
	return statistics.metadata_bytes;
}

static uint64_t resident_bytes(void)
{
	unsigned long size, resident;
	FILE *file = fopen("/proc/self/statm", "re");

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu %lu", &size, &resident), 2);
	fclose(file);
	return resident * PAGE_BYTES;
}

/* Pages so far apart: at most so many bytes of tables for each, all of them counted, which go when
 * the pages go. */
static void check_cost(uint64_t apart, uint64_t most)
{
	uint64_t resident = resident_bytes(), metadata, off;
	struct memory *memory;
	struct space *space;

	assert_int_equal(space_open(&space, COST_PAGES, drop, NULL), 0);
	memory = new_memory(space);
	for (uint64_t i = 0; i < COST_PAGES; i++)
		set(memory, i * apart, DESC_ZERO);
	metadata = metadata_of(space);
	resident = resident_bytes() - resident;
	off = metadata > resident ? metadata - resident : resident - metadata;
	if (metadata > most * COST_PAGES || off > resident / 32 + 64 * PAGE_BYTES)
		fail_msg("%llu KiB apart: %llu of %llu bytes a page, %llu KiB resident",
			 (unsigned long long)apart >> 10, (unsigned long long)metadata / COST_PAGES,
			 (unsigned long long)most, (unsigned long long)resident >> 10);
	assert_int_equal(memory_clear(memory, 0, COST_PAGES * apart), 0);
	assert_true(metadata_of(space) < metadata / 8 + 64 * PAGE_BYTES);
	memory_close(memory);
	space_check(space);
	space_close(space);
}

static void test_cost(void **state)
{
	check_cost(PAGE_BYTES, 9);
	check_cost(64 << 10, 145);
	check_cost(1 << 20, 210);
	check_cost(2 << 20, 280);
}

/* A page of tables of which no cluster is used any more, and that is used again. */
static void test_given_back(void **state)
{
	struct memory *memory = new_memory(*state);
	uint64_t before, after;

	for (uint64_t i = 0; i < CLUSTERS; i++)
		set(memory, i * SPAN, DESC_ZERO);
	before = metadata_of(*state);
	assert_int_equal(memory_clear(memory, 0, CLUSTERS / 2 * SPAN), 0);
	after = metadata_of(*state);
	assert_int_equal(before - after, PAGE_BYTES);
	for (uint64_t i = 0; i < CLUSTERS / 2; i++)
		set(memory, i * SPAN, DESC_ZERO);
	assert_int_equal(metadata_of(*state), before);
	memory_close(memory);
}

/* ---- clusters that come while others look ---- */

#define BINDERS 2u
#define ROUNDS	3000u

static struct memory *bound;
static _Atomic unsigned int winners, arrived;

/* All go on at the same moment, as nearly as can be. */
static void meet(unsigned int round)
{
	unsigned int waits = 0;

	arrived++;
	while (arrived < round * BINDERS)
		space_wait(&waits);
}

/* In each round all bind the same page of a memory that has none. */
static void *bind_all(void *argument)
{
	const bool *clears = argument;
	slot_t *run[2];

	for (unsigned int round = 0; round < ROUNDS; round++) {
		uint64_t at = round % CLUSTERS * (SPAN * 16);

		meet(2 * round + 1);
		if (memory_run(bound, at, 2, true, run) != 2)
			abort();
		winners += slot_change(run[1], DESC_ABSENT, DESC_RESIDENT);
		meet(2 * round + 2);
		if (*clears)
			memory_clear(bound, at, at + SPAN);
	}
	return NULL;
}

static void test_bind_threads(void **state)
{
	bool clears[BINDERS] = {true};
	pthread_t threads[BINDERS];
	struct space_statistics statistics;

	bound = new_memory(*state);
	winners = arrived = 0;
	for (unsigned int i = 0; i < BINDERS; i++)
		pthread_create(&threads[i], NULL, bind_all, &clears[i]);
	for (unsigned int i = 0; i < BINDERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(winners, ROUNDS);
	space_statistics(*state, &statistics);
	assert_int_equal(statistics.clusters, 0);
	memory_close(bound);
}

static void test_run(void **state)
{
	struct memory *memory = new_memory(*state), *child = new_memory(*state);
	slot_t *run[4 * CLUSTER_SLOTS];
	const uint64_t first = (2 << 20) - PAGE_BYTES; /* the last page before another directory */

	assert_int_equal(memory_run(memory, first, 8, false, run), 0);
	set(memory, first, DESC_ZERO);
	assert_int_equal(memory_run(memory, first, 8, false, run), 1);
	assert_int_equal(memory_run(memory, first, 2 * CLUSTER_SLOTS, true, run),
			 2 * CLUSTER_SLOTS);
	for (unsigned int i = 0; i < 2 * CLUSTER_SLOTS; i++)
		assert_ptr_equal(run[i], memory_look(memory, first + i * PAGE_BYTES));
	assert_null(memory_look(memory, first + (2 * CLUSTER_SLOTS + 1) * PAGE_BYTES));
	/* What a child shares is not for changing. */
	assert_int_equal(memory_fork(memory, child), 0);
	assert_int_equal(memory_run(memory, first, 8, true, run), 0);
	set(memory, first, DESC_ZERO);
	assert_int_equal(memory_run(memory, first, 8, true, run), 1);
	memory_close(child);
	assert_int_equal(memory_run(memory, first, 8, true, run), 8);
	assert_int_equal(memory_run(memory, MEMORY_END - PAGE_BYTES, 8, true, run), 1);
	memory_close(memory);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_clusters_run_out),
		TEST(test_put_drops),
		TEST(test_put_beside_locks),
		TEST(test_look_and_bind),
		TEST(test_clear),
		TEST(test_fork_and_split),
		TEST(test_split_without_room),
		TEST(test_move_whole),
		TEST(test_move_slots),
		TEST(test_each_holder),
		TEST(test_count),
		TEST(test_cost),
		TEST(test_given_back),
		TEST(test_bind_threads),
		TEST(test_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
