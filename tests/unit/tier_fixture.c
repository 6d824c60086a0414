/* SPDX-License-Identifier: MIT */
#include "tier_fixture.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/futex.h"

static void hear(void *argument, const char *line)
{
	struct world *world = argument;

	pthread_mutex_lock(&world->lock);
	strncat(world->said, line, sizeof(world->said) - strlen(world->said) - 2);
	strcat(world->said, "\n");
	pthread_mutex_unlock(&world->lock);
}

unsigned int times_said(struct world *world, const char *part)
{
	unsigned int times = 0;

	pthread_mutex_lock(&world->lock);
	for (const char *at = world->said; (at = strstr(at, part)); at++)
		times++;
	pthread_mutex_unlock(&world->lock);
	return times;
}

static int64_t world_now(void *argument)
{
	return ((struct world *)argument)->now;
}

static void world_wait(void *argument, void *word, uint32_t seen, uint64_t ns)
{
	struct world *world = argument;
	uint64_t most = world->naps_whole ? ns : MILLISECOND;

	world->naps++;
	futex_wait(word, seen, ns < most ? ns : most);
}

void pass_time(struct world *world, int64_t ns)
{
	world->now += ns;
}

void let_it_rest(struct world *world)
{
	unsigned int naps = world->naps;

	/* The first may have begun before. */
	while (world->naps - naps < 2)
		sched_yield();
}

struct world *open_world_of(uint64_t ram, unsigned int backends, const unsigned int *extents,
			    const int *priorities)
{
	static const char *const names[BACKENDS] = {"first", "second", "third"};
	struct store_config config = {.ram_bytes = ram, .ram_bytes_highest = ram, .segments = 4096};
	struct world *world = calloc(1, sizeof(*world));
	struct tier_clock clock = {world_now, world_wait, world};
	struct tier_config tier_config;

	assert_non_null(world);
	pthread_mutex_init(&world->lock, NULL);
	world->now = 1000 * SECOND;
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
	tier_config =
		(struct tier_config){world->store, world->backends, backends, hear, world, &clock};
	assert_int_equal(tier_open(&world->tier, &tier_config), 0);
	tier_set_share(world->tier, SHARE);
	return world;
}

struct world *open_world(unsigned int backends, const unsigned int *extents, const int *priorities)
{
	return open_world_of(RAM_BYTES, backends, extents, priorities);
}

slot_t *slot_at(struct world *world, unsigned int page, uint64_t *id)
{
	uint32_t cluster = world->clusters[page / CLUSTER_SLOTS];

	*id = slot_id(cluster, page % CLUSTER_SLOTS);
	return &cluster_slots(world->space, cluster)[page % CLUSTER_SLOTS];
}

void make_page(unsigned int page, uint32_t version, void *bytes)
{
	uint64_t state = (uint64_t)page << 32 | version | 1ull << 63;

	for (unsigned int i = 0; i < PAGE_BYTES / 8; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		((uint64_t *)bytes)[i] = state;
	}
}

void set_slot(struct world *world, unsigned int page, desc_t word)
{
	uint64_t id;
	slot_t *slot = slot_at(world, page, &id);
	desc_t old = slot_lock(slot);

	slot_unlock(slot, word);
	space_drop(world->space, old);
}

void drop(struct world *world, unsigned int page)
{
	world->versions[page] = 0;
	set_slot(world, page, DESC_ABSENT);
}

bool put(struct world *world, unsigned int page, uint32_t version)
{
	return put_passing(world, page, version, 0);
}

bool put_passing(struct world *world, unsigned int page, uint32_t version, int64_t ns)
{
	char bytes[PAGE_BYTES];
	uint64_t id;

	while (store_reserve(world->writer, 1)) {
		if (!tier_wait_room(world->tier, ns ? 1000 : 100000))
			return false;
		pass_time(world, ns);
	}
	slot_at(world, page, &id);
	make_page(page, version, bytes);
	set_slot(world, page, store_put(world->writer, id, bytes));
	store_published(world->writer);
	world->versions[page] = version;
	return true;
}

int get(struct world *world, unsigned int page, void *bytes)
{
	uint64_t id;
	slot_t *slot = slot_at(world, page, &id);
	desc_t word = slot_lock(slot);
	int error = store_get(world->store, word, bytes);

	slot_unlock(slot, word);
	return error;
}

void check_page(struct world *world, unsigned int page)
{
	char expected[PAGE_BYTES] = {0}, got[PAGE_BYTES];

	if (world->versions[page])
		make_page(page, world->versions[page], expected);
	assert_int_equal(get(world, page, got), 0);
	assert_memory_equal(got, expected, PAGE_BYTES);
}

void check_all(struct world *world)
{
	for (unsigned int page = 0; page < PAGES; page++)
		check_page(world, page);
}

void close_world(struct world *world)
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

void fill(struct world *world, unsigned int pages)
{
	for (unsigned int page = 0; page < pages; page++)
		assert_true(put(world, page, 1));
}
