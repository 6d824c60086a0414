// SPDX-License-Identifier: MIT
/* Description: the store's threads all at once: faults and evictions, forks and moves, the cleaner,
 * writeback and drain. For ThreadSanitizer too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include "store_fixture.h"

#define THREADS	     2u
#define THREAD_PAGES 1500u

struct worker {
	struct fixture *f;
	struct store_writer *writer;
	unsigned int first, rounds;
	uint64_t random;
	bool failed;
};

static _Atomic bool stop;

/* Evicts and faults its pages in turn; page i holds number `numbers[i]`. */
static void work(struct worker *worker, unsigned int page, uint64_t *number)
{
	struct fixture *f = worker->f;
	uint64_t address = (uint64_t)page * PAGE_BYTES;
	slot_t *slot = memory_look(f->memory, address);
	unsigned char bytes[PAGE_BYTES];
	desc_t word = slot_lock(slot), next;

	if (desc_state(word) == DESC_RESIDENT) {
		pattern_fill(*number, bytes);
		if (store_is_same(f->store, word, bytes)) {
			slot_unlock(slot, desc_make_stored(word));
			return;
		}
		next = store_put(worker->writer, memory_slot_id(f->memory, address), bytes);
		slot_unlock(slot, next);
		space_drop(f->space, word);
		return;
	}
	if (store_get(f->store, word, bytes) || !pattern_matches(*number, bytes))
		worker->failed = true;
	if (random_next(&worker->random) % 2) {
		*number = random_next(&worker->random) >> 20;
		slot_unlock(slot, DESC_RESIDENT);
		space_drop(f->space, word);
	} else {
		next = desc_state(word) == DESC_STORED ? desc_location(word) | DESC_RESIDENT
						       : DESC_RESIDENT;
		slot_unlock(slot, next);
		if (next == DESC_RESIDENT)
			space_drop(f->space, word);
	}
}

static void *run_worker(void *argument)
{
	struct worker *worker = argument;
	static _Thread_local uint64_t numbers[THREAD_PAGES];

	for (unsigned int i = 0; i < worker->rounds && !worker->failed; i++) {
		unsigned int from = (unsigned int)(random_next(&worker->random) % THREAD_PAGES);

		while (store_reserve(worker->writer, 32))
			sched_yield();
		for (unsigned int page = from; page < from + 32; page++)
			work(worker, worker->first + page % THREAD_PAGES,
			     &numbers[page % THREAD_PAGES]);
		store_published(worker->writer);
	}
	/* What it has open and ready is room that the others wait for. */
	store_writer_close(worker->writer);
	return NULL;
}

#define FORK_PAGES 700u

static void fork_put(struct worker *worker, struct memory *memory, uint64_t address,
		     uint64_t number)
{
	slot_t *slot = memory_bind(memory, address);
	unsigned char bytes[PAGE_BYTES];
	desc_t old;

	while (store_reserve(worker->writer, 1))
		sched_yield();
	pattern_fill(number, bytes);
	old = slot_lock(slot);
	slot_unlock(slot, store_put(worker->writer, memory_slot_id(memory, address), bytes));
	space_drop(worker->f->space, old);
	store_published(worker->writer);
}

static void fork_expect(struct worker *worker, struct memory *memory, uint64_t base, unsigned int i)
{
	slot_t *slot = memory_look(memory, base + (uint64_t)i * PAGE_BYTES);
	unsigned char bytes[PAGE_BYTES];
	desc_t word = slot_lock(slot);

	if (store_get(worker->f->store, word, bytes) ||
	    !pattern_matches(i % 3 ? 4 + 8 * i : 5 + 8 * i, bytes))
		worker->failed = true;
	slot_unlock(slot, word);
}

/* A parent, its child with pages of its own, the parent's end, a move of the child's pages: all
 * of it under the cleaner's hands. */
static void *run_forks(void *argument)
{
	const uint64_t base = 7 * PAGE_BYTES, moved = (1ull << 30) + 3 * PAGE_BYTES;
	struct worker *worker = argument;
	struct memory *parent, *child;

	for (unsigned int round = 0; round < 25 && !worker->failed; round++) {
		if (memory_open(&parent, worker->f->space) || memory_open(&child, worker->f->space))
			worker->failed = true;
		for (unsigned int i = 0; i < FORK_PAGES; i++)
			fork_put(worker, parent, base + (uint64_t)i * PAGE_BYTES, 4 + 8 * i);
		if (memory_fork(parent, child))
			worker->failed = true;
		for (unsigned int i = 0; i < FORK_PAGES; i += 3)
			fork_put(worker, child, base + (uint64_t)i * PAGE_BYTES, 5 + 8 * i);
		memory_close(parent);
		for (unsigned int i = 0; i < FORK_PAGES; i++)
			fork_expect(worker, child, base, i);
		if (memory_move(child, base, moved, FORK_PAGES * PAGE_BYTES))
			worker->failed = true;
		for (unsigned int i = 0; i < FORK_PAGES; i++)
			fork_expect(worker, child, moved, i);
		memory_close(child);
	}
	store_writer_close(worker->writer);
	return NULL;
}

static void *run_cleaner(void *argument)
{
	struct fixture *f = argument;
	unsigned int i = 0;

	while (!stop) {
		if (!store_clean(f->store, f->cleaner, ++i % 2) &&
		    !store_compact(f->store, f->cleaner, &f->fake.base))
			sched_yield();
	}
	return NULL;
}

static void *run_tier(void *argument)
{
	struct fixture *f = argument;
	unsigned int i = 0;

	while (!stop) {
		if (f->fake.used < 30)
			write_oldest(f, ++i % 2);
		else
			store_drain_one(f->store, &f->fake.base, false);
		sched_yield();
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct fixture *f = *state;
	struct worker workers[THREADS], forker = {.f = f};
	pthread_t threads[THREADS], cleaner, tier, forks;

	store_set_ram(f->store, 10 * SEGMENT_BYTES);
	for (unsigned int i = 0; i < THREADS * THREAD_PAGES; i++)
		assert_true(slot_change(memory_bind(f->memory, (uint64_t)i * PAGE_BYTES), 0,
					DESC_RESIDENT));
	stop = false;
	for (unsigned int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){
			.f = f, .first = i * THREAD_PAGES, .rounds = 1500, .random = i};
		assert_int_equal(store_writer_open(f->store, &workers[i].writer), 0);
		pthread_create(&threads[i], NULL, run_worker, &workers[i]);
	}
	assert_int_equal(store_writer_open(f->store, &forker.writer), 0);
	pthread_create(&forks, NULL, run_forks, &forker);
	pthread_create(&cleaner, NULL, run_cleaner, f);
	pthread_create(&tier, NULL, run_tier, f);
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	pthread_join(forks, NULL);
	stop = true;
	pthread_join(cleaner, NULL);
	pthread_join(tier, NULL);
	for (unsigned int i = 0; i < THREADS; i++)
		assert_false(workers[i].failed);
	assert_false(forker.failed);
	store_check(f->store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threads, setup_in_place, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
