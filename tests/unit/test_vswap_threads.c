// SPDX-License-Identifier: MIT
/*
 * Description: the public API from several threads: what a get sees beside a put, a fork, an unbind
 * a limit that changes and backends that come and go is what vswap.h says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <vswap.h>
#include "pattern.h"

#define CLUSTERS 256u
#define UNBOUND	 8u /* of them, in each round */
#define PAGES	 (CLUSTERS * VSWAP_CLUSTER_SLOTS)
#define ROUNDS	 6u
#define FORKS	 60u
#define BINDINGS 3000u
#define READERS	 2
#define CHANGES	 14u /* a space has 16 backends in its life */

/* A page's number: its slot's, and which round of puts. One in eight does not compress. */
static uint64_t number_of(unsigned int page, unsigned int round)
{
	return (uint64_t)round * PAGES + page + 1;
}

struct world {
	struct vswap *space;
	vswap_slot first[CLUSTERS];
	atomic_uint started[PAGES], done[PAGES]; /* rounds of each page */
	atomic_uint wrong, seen;
	_Atomic vswap_slot volatile_cluster;
	atomic_bool stop;
};

static void open_world(struct world *world)
{
	const char *backend = "file:/tmp,size=64M,name=a";
	struct vswap_options options = {.size = sizeof(options),
					.ram_bytes = VSWAP_LEAST_RAM_BYTES,
					.ram_bytes_most = 2 * VSWAP_LEAST_RAM_BYTES,
					.slots = 4 * PAGES,
					.backends = &backend,
					.backend_count = 1};
	char message[256];

	memset(world, 0, sizeof(*world));
	assert_int_equal(vswap_open(&world->space, &options, message, sizeof(message)), 0);
	for (unsigned int i = 0; i < CLUSTERS; i++)
		assert_int_equal(vswap_bind(world->space, &world->first[i]), 0);
}

static vswap_slot slot_of(const struct world *world, unsigned int page)
{
	return world->first[page / VSWAP_CLUSTER_SLOTS] + page % VSWAP_CLUSTER_SLOTS;
}

static bool is_one_of(const void *bytes, unsigned int page, unsigned int from, unsigned int to)
{
	for (unsigned int round = from; round <= to; round++)
		if (pattern_matches(round ? number_of(page, round) : 0, bytes))
			return true;
	return false;
}

/* The page is one that was there at some moment of the get. */
static void check(struct world *world, vswap_slot slot, unsigned int page)
{
	unsigned char bytes[VSWAP_PAGE_BYTES];
	unsigned int from = atomic_load(&world->done[page]);

	if (vswap_get(world->space, slot, bytes) ||
	    !is_one_of(bytes, page, from, atomic_load(&world->started[page])))
		atomic_fetch_add(&world->wrong, 1);
}

static void *put_all(void *argument)
{
	struct world *world = argument;
	unsigned char bytes[VSWAP_PAGE_BYTES];

	for (unsigned int round = 1; round <= ROUNDS; round++) {
		for (unsigned int i = 0; i < PAGES; i++) {
			unsigned int page = i * 1021 % PAGES;

			pattern_fill(number_of(page, round), bytes);
			atomic_store(&world->started[page], round);
			if (vswap_put(world->space, slot_of(world, page), bytes))
				atomic_fetch_add(&world->wrong, 1);
			atomic_store(&world->done[page], round);
		}
	}
	atomic_store(&world->stop, true);
	return NULL;
}

static void *get_all(void *argument)
{
	struct world *world = argument;
	uint64_t dice = (uintptr_t)&dice;

	while (!atomic_load(&world->stop)) {
		unsigned int page = random_next(&dice) % PAGES;

		check(world, slot_of(world, page), page);
	}
	return NULL;
}

/* A copy does not change, whatever is put into what it was made of. */
static void fork_one(struct world *world, unsigned int cluster)
{
	unsigned char before[VSWAP_PAGE_BYTES], after[VSWAP_PAGE_BYTES];
	vswap_slot copy;

	if (vswap_fork(world->space, world->first[cluster], &copy)) {
		atomic_fetch_add(&world->wrong, 1);
		return;
	}
	for (unsigned int i = 0; i < VSWAP_CLUSTER_SLOTS; i += 5) {
		if (vswap_get(world->space, copy + i, before))
			atomic_fetch_add(&world->wrong, 1);
		check(world, world->first[cluster] + i, cluster * VSWAP_CLUSTER_SLOTS + i);
		if (vswap_get(world->space, copy + i, after) ||
		    memcmp(before, after, sizeof(before)))
			atomic_fetch_add(&world->wrong, 1);
	}
	if (vswap_unbind(world->space, copy))
		atomic_fetch_add(&world->wrong, 1);
}

static void *fork_and_limit(void *argument)
{
	struct world *world = argument;
	struct vswap_statistics statistics = {.size = sizeof(statistics)};

	for (unsigned int i = 0; i < FORKS && !atomic_load(&world->stop); i++) {
		fork_one(world, i % CLUSTERS);
		if (vswap_set_ram(world->space, (1 + i % 2) * VSWAP_LEAST_RAM_BYTES) ||
		    vswap_statistics(world->space, &statistics) ||
		    statistics.ram_bytes > 2 * VSWAP_LEAST_RAM_BYTES)
			atomic_fetch_add(&world->wrong, 1);
	}
	return NULL;
}

static void *change_backends(void *argument)
{
	struct world *world = argument;

	for (unsigned int i = 0; i < CHANGES && !atomic_load(&world->stop); i++) {
		const char *spec =
			i % 2 ? "file:/tmp,size=64M,name=a" : "file:/tmp,size=64M,name=b";

		/* The other one of the two was there already. */
		if (vswap_backend_add(world->space, spec, NULL, 0) ||
		    vswap_backend_remove(world->space, i % 2 ? "b" : "a", NULL, 0))
			atomic_fetch_add(&world->wrong, 1);
		atomic_fetch_add(&world->seen, 1);
	}
	return NULL;
}

static void test_everything_at_once(void **state)
{
	static struct world world;
	void *(*const work[])(void *) = {put_all, fork_and_limit, get_all, get_all,
					 change_backends};
	pthread_t threads[5];

	open_world(&world);
	for (int i = 0; i < 5; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work[i], &world), 0);
	for (int i = 0; i < 5; i++)
		pthread_join(threads[i], NULL);
	assert_true(world.seen > 0);
	for (unsigned int page = 0; page < PAGES; page++)
		check(&world, slot_of(&world, page), page);
	assert_int_equal(world.wrong, 0);
	vswap_close(world.space);
}

/* Gets from a cluster that another thread unbinds and binds again all the time. */
static void *get_unbound(void *argument)
{
	struct world *world = argument;
	unsigned char bytes[VSWAP_PAGE_BYTES];

	for (unsigned int i = 0; !atomic_load(&world->stop); i++) {
		/* The first slot holds a page, others are empty. */
		int error = vswap_get(world->space, atomic_load(&world->volatile_cluster) + i % 3,
				      bytes);

		if (error != -EINVAL &&
		    (error || (!pattern_matches(0, bytes) && !pattern_matches(3, bytes))))
			atomic_fetch_add(&world->wrong, 1);
		atomic_fetch_add(&world->seen, error == -EINVAL);
	}
	return NULL;
}

static void test_get_beside_unbind(void **state)
{
	static struct world world;
	unsigned char bytes[VSWAP_PAGE_BYTES];
	struct vswap_statistics statistics = {.size = sizeof(statistics)};
	pthread_t threads[READERS];
	vswap_slot first;

	open_world(&world);
	world.volatile_cluster = world.first[0];
	pattern_fill(3, bytes);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, get_unbound, &world), 0);
	for (unsigned int i = 0; i < BINDINGS || !atomic_load(&world.seen); i++) {
		first = world.volatile_cluster;
		assert_int_equal(vswap_put(world.space, first, bytes), 0);
		assert_int_equal(vswap_unbind(world.space, first), 0);
		assert_int_equal(vswap_bind(world.space, &first), 0);
		atomic_store(&world.volatile_cluster, first);
	}
	atomic_store(&world.stop, true);
	for (int i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(world.wrong, 0);
	assert_int_equal(vswap_statistics(world.space, &statistics), 0);
	assert_int_equal(statistics.stored_bytes, 0);
	vswap_close(world.space);
}

/* Puts into a cluster that another thread unbinds. */
static void *put_unbound(void *argument)
{
	struct world *world = argument;
	unsigned char bytes[VSWAP_PAGE_BYTES];
	vswap_slot first = 0;
	int error;

	pattern_fill(3, bytes);
	while (!atomic_load(&world->stop)) {
		first = atomic_load(&world->volatile_cluster);
		error = vswap_put(world->space, first + 7, bytes);
		atomic_fetch_add(&world->wrong, error && error != -EINVAL);
		atomic_fetch_add(&world->seen, 1);
	}
	return NULL;
}

static void wait_for_puts(struct world *world)
{
	unsigned int seen = atomic_load(&world->seen);

	while (atomic_load(&world->seen) - seen < 2)
		sched_yield();
}

/* A page that went into a slot which nobody has would be there for good. */
static void test_put_beside_unbind(void **state)
{
	static struct world world;
	struct vswap_statistics statistics = {.size = sizeof(statistics)};
	pthread_t thread;

	open_world(&world);
	assert_int_equal(pthread_create(&thread, NULL, put_unbound, &world), 0);
	for (unsigned int round = 0; round < ROUNDS * 20; round++) {
		for (unsigned int i = 0; i < UNBOUND; i++) {
			atomic_store(&world.volatile_cluster, world.first[i]);
			wait_for_puts(&world);
			assert_int_equal(vswap_unbind(world.space, world.first[i]), 0);
		}
		atomic_store(&world.volatile_cluster, 0);
		wait_for_puts(&world);
		assert_int_equal(vswap_statistics(world.space, &statistics), 0);
		assert_int_equal(statistics.stored_bytes, 0);
		for (unsigned int i = 0; i < UNBOUND; i++)
			assert_int_equal(vswap_bind(world.space, &world.first[i]), 0);
	}
	atomic_store(&world.stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(world.wrong, 0);
	vswap_close(world.space);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_at_once),
		cmocka_unit_test(test_get_beside_unbind),
		cmocka_unit_test(test_put_beside_unbind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
