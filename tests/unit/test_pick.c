/* SPDX-License-Identifier: MIT */
/* Description: pages leave in CLOCK order, each with the chances it has, and only those that may.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "pager/attached/attached.h"
#include "pager/eviction/pick.h"
#include "pattern.h"

#define CLUSTERS 16384u
#define BASE	 0x7f0000000000ull
#define AGE(n)	 ((desc_t)(n) << DESC_AGE_SHIFT)
#define LOOKS	 4u /* laps that a page survives at most: one for the bit, three for the age */

static struct attached attached;
static uint64_t shared;

static void no_drop(void *argument, desc_t word)
{
}

static int setup(void **state)
{
	memset(&attached, 0, sizeof(attached));
	lock_read(&attached.lock);
	if (space_open(&attached.space, CLUSTERS, no_drop, NULL))
		return -1;
	return memory_open(&attached.memory, attached.space);
}

static int teardown(void **state)
{
	memory_close(attached.memory);
	space_close(attached.space);
	return 0;
}

static uint64_t at(unsigned int page)
{
	return BASE + (uint64_t)page * PAGE_BYTES;
}

static void set(uint64_t address, desc_t word)
{
	slot_t *slot = memory_bind(attached.memory, address);

	assert_non_null(slot);
	atomic_store(slot, word);
}

static desc_t get(uint64_t address)
{
	return atomic_load(memory_look(attached.memory, address));
}

static unsigned int pick(unsigned int want)
{
	pick_pages(&attached, want, &shared);
	assert_true(attached.batch.count <= want);
	return attached.batch.count;
}

static void assert_picked(unsigned int want, unsigned int first, unsigned int count)
{
	assert_int_equal(pick(want), count);
	for (unsigned int i = 0; i < count; i++)
		assert_int_equal(attached.batch.address[i], at(first + i));
}

/* What the batch says of a page, and that a page's shadow stays with it. */
static void test_batch(void **state)
{
	desc_t shadow = desc_make_location(7, 4096, 160, 2);

	set(at(5), shadow | DESC_RESIDENT);
	set(at(6), DESC_RESIDENT);
	attached.batch.moved[0] = attached.batch.moved[1] = true;
	assert_picked(CHANNEL_BATCH, 5, 2);
	for (unsigned int i = 0; i < 2; i++) {
		assert_ptr_equal(attached.batch.slot[i], memory_look(attached.memory, at(5 + i)));
		assert_int_equal(attached.batch.id[i], memory_slot_id(attached.memory, at(5 + i)));
		assert_int_equal(attached.batch.leaving[i], get(at(5 + i)));
		assert_false(attached.batch.moved[i]);
	}
	assert_int_equal(get(at(5)), shadow | DESC_LEAVING);
	assert_int_equal(get(at(6)), DESC_LEAVING);
	assert_int_equal(shared, 0);
	/* They are leaving already: nothing is picked twice. */
	assert_int_equal(pick(CHANNEL_BATCH), 0);
}

/* Only what is resident and nobody works on. */
static void test_states(void **state)
{
	static const desc_t words[] = {
		DESC_ABSENT,
		DESC_LEAVING,
		DESC_ZERO,
		DESC_SAME,
		DESC_STORED | 1ull << 8,
		DESC_SHARED | 1ull << 8,
		DESC_BAD,
		DESC_RESIDENT | DESC_LOCK,
	};
	const unsigned int count = sizeof(words) / sizeof(words[0]);

	for (unsigned int i = 0; i < count; i++)
		set(at(i), words[i] | (i ? DESC_REFERENCED | AGE(3) : 0));
	for (unsigned int lap = 0; lap < LOOKS + 1; lap++)
		assert_int_equal(pick(CHANNEL_BATCH), 0);
	for (unsigned int i = 0; i < count; i++) {
		assert_int_equal(get(at(i)), words[i] | (i ? DESC_REFERENCED | AGE(3) : 0));
		set(at(i), 0);
	}
}

/* The hand goes on where it stopped, over the edges of clusters, and round. */
static void test_hand(void **state)
{
	const unsigned int pages = 552;

	for (unsigned int i = 500; i < pages; i++)
		set(at(i), DESC_RESIDENT);
	assert_picked(10, 500, 10);
	/* Behind the hand: its turn comes after all that is before it. */
	set(at(3), DESC_RESIDENT);
	assert_picked(12, 510, 12);
	assert_picked(30, 522, 30);
	assert_picked(10, 3, 1);
	assert_int_equal(pick(10), 0);
}

static void test_second_chance(void **state)
{
	set(at(0), DESC_RESIDENT | DESC_REFERENCED);
	set(at(1), DESC_RESIDENT);
	set(at(2), DESC_RESIDENT | AGE(1));
	set(at(3), DESC_RESIDENT | AGE(2) | DESC_REFERENCED);
	assert_picked(1, 1, 1);
	assert_int_equal(get(at(0)), DESC_RESIDENT);
	assert_int_equal(get(at(2)), DESC_RESIDENT | AGE(1));
	/* Round once more: the first has had its chance, the others have not. */
	assert_picked(1, 0, 1);
	assert_int_equal(get(at(2)), DESC_RESIDENT);
	assert_int_equal(get(at(3)), DESC_RESIDENT | AGE(2));
	/* Used again, it has another one. */
	set(at(2), DESC_RESIDENT | DESC_REFERENCED);
	assert_picked(1, 2, 1);
	assert_int_equal(get(at(3)), DESC_RESIDENT | AGE(1));
	assert_picked(1, 3, 1);
}

/* ---- random, against a CLOCK over an array ---- */

#define STRETCH 512u
#define FLAT	(3u * STRETCH)

static uint64_t dice = 42;

static unsigned int roll(unsigned int sides)
{
	return (unsigned int)(random_next(&dice) >> 20) % sides;
}

/* Three stretches, far apart. */
static uint64_t flat_at(unsigned int i)
{
	static const unsigned int stretch[] = {0, 1, 700};

	return BASE + (stretch[i / STRETCH] * STRETCH + i % STRETCH) * PAGE_BYTES;
}

static void test_random(void **state)
{
	static unsigned int chances[FLAT];
	static uint64_t order[FLAT];

	for (unsigned int round = 0; round < 20; round++) {
		unsigned int pages = 0, left, taken = 0;

		for (unsigned int i = 0; i < FLAT; i++) {
			unsigned int age = roll(3) ? 0 : roll(4), bit = roll(3) == 0;

			chances[i] = roll(4) ? 1 + age + bit : 0; /* 0: not resident */
			pages += chances[i] != 0;
			set(flat_at(i),
			    chances[i] ? DESC_RESIDENT | AGE(age) | (bit ? DESC_REFERENCED : 0)
				       : DESC_ABSENT);
		}
		attached.evict.hand = 0;
		left = pages;
		for (unsigned int i = 0; left; i = (i + 1) % FLAT)
			if (chances[i] && !--chances[i])
				order[pages - left--] = flat_at(i);
		while (taken < pages) {
			unsigned int before = taken;

			pick(1 + roll(CHANNEL_BATCH));
			for (unsigned int i = 0; i < attached.batch.count; i++)
				assert_int_equal(attached.batch.address[i], order[taken++]);
			/* Two laps a call at least, or as many pages as wanted. */
			if (taken == before)
				assert_true(pick(1) && attached.batch.address[0] == order[taken++]);
		}
		assert_int_equal(pick(CHANNEL_BATCH), 0);
	}
	for (unsigned int i = 0; i < FLAT; i++)
		set(flat_at(i), 0);
}

/* ---- what must stay ---- */

static void test_kept(void **state)
{
	uint64_t kept[] = {at(3), at(7)};

	attached.evict.kept = (struct kept_pages){
		.pages = kept,
		.count = 2,
		.capacity = 2,
		.arguments_start = at(10),
		.arguments_end = at(12),
	};
	for (unsigned int i = 0; i < 16; i++)
		set(at(i), DESC_RESIDENT | (i % 2 ? DESC_REFERENCED : 0));
	assert_int_equal(pick(CHANNEL_BATCH), 12);
	for (unsigned int i = 0; i < 16; i++) {
		bool stays = i == 3 || i == 7 || i == 10 || i == 11;

		assert_int_equal(desc_state(get(at(i))), stays ? DESC_RESIDENT : DESC_LEAVING);
	}
	/* However often it is tried. */
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(pick(CHANNEL_BATCH), 0);
	/* When the thread is gone they are pages as others. */
	attached.evict.kept = (struct kept_pages){0};
	assert_int_equal(pick(CHANNEL_BATCH), 4);
}

static void test_shared(void **state)
{
	struct memory *child;

	assert_int_equal(memory_open(&child, attached.space), 0);
	for (unsigned int i = 0; i < 4; i++)
		set(at(i), DESC_RESIDENT);
	set(at(CLUSTER_SLOTS), DESC_RESIDENT | DESC_REFERENCED);
	assert_int_equal(memory_fork(attached.memory, child), 0);
	set(at(2 * CLUSTER_SLOTS), DESC_RESIDENT);

	assert_picked(CHANNEL_BATCH, 2 * CLUSTER_SLOTS, 1);
	assert_int_equal(shared, at(0));
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(get(at(i)), DESC_RESIDENT);
	assert_int_equal(get(at(CLUSTER_SLOTS)), DESC_RESIDENT | DESC_REFERENCED);

	/* With a copy of its own one of them can leave. */
	assert_non_null(memory_bind(attached.memory, at(CLUSTER_SLOTS)));
	assert_picked(CHANNEL_BATCH, CLUSTER_SLOTS, 1);
	assert_int_equal(shared, at(0));

	/* The child is gone: nothing is shared any more. */
	memory_close(child);
	assert_picked(CHANNEL_BATCH, 0, 4);
	assert_int_equal(shared, 0);
}

/* ---- bounds ---- */

static void test_nothing(void **state)
{
	assert_int_equal(pick(CHANNEL_BATCH), 0);
	assert_int_equal(shared, 0);
	set(at(9), DESC_RESIDENT);
	assert_int_equal(pick(0), 0);
	assert_int_equal(get(at(9)), DESC_RESIDENT);
}

static void count_touched(unsigned int clusters, unsigned int *touched)
{
	*touched = 0;
	for (unsigned int i = 0; i < clusters * CLUSTER_SLOTS; i++)
		*touched += get(at(i)) == DESC_RESIDENT;
}

/* A call does not go through all of a large memory; the next one goes on. */
static void test_bounded(void **state)
{
	const unsigned int clusters = 9600;
	unsigned int once, twice;

	for (unsigned int i = 0; i < clusters * CLUSTER_SLOTS; i++)
		set(at(i), DESC_RESIDENT | DESC_REFERENCED);
	assert_int_equal(pick(1), 0);
	count_touched(clusters, &once);
	assert_true(once >= CLUSTER_SLOTS && once <= clusters * CLUSTER_SLOTS / 3);
	assert_int_equal(pick(1), 0);
	count_touched(clusters, &twice);
	assert_true(twice >= once + CLUSTER_SLOTS && twice <= 2 * once + CLUSTER_SLOTS);
}

/* ---- beside a thread that serves faults ---- */

#define TURNS 300u

static _Atomic bool stop;
static _Atomic unsigned int broken;

/* Holds slots as a fault does: what it saw under the lock must be there when it lets go. */
static void *hold_slots(void *argument)
{
	for (unsigned int i = 0; !stop; i = (i + 1) % CLUSTER_SLOTS) {
		slot_t *slot = memory_look(attached.memory, at(i));
		desc_t word = slot_lock(slot);

		for (unsigned int turn = 0; turn < 20; turn++)
			if (atomic_load(slot) != (word | DESC_LOCK))
				broken++;
		if (desc_state(word) == DESC_LEAVING)
			word = DESC_RESIDENT;
		slot_unlock(slot, word);
	}
	return NULL;
}

static void test_beside_faults(void **state)
{
	pthread_t thread;
	unsigned int picked = 0;

	for (unsigned int i = 0; i < CLUSTER_SLOTS; i++)
		set(at(i), DESC_RESIDENT);
	stop = false;
	assert_int_equal(pthread_create(&thread, NULL, hold_slots, NULL), 0);
	for (unsigned int turn = 0; turn < TURNS || !picked; turn++) {
		picked += pick(CHANNEL_BATCH);
		for (unsigned int i = 0; i < attached.batch.count; i++)
			slot_change(attached.batch.slot[i], attached.batch.leaving[i],
				    DESC_RESIDENT | (i % 3 ? 0 : DESC_REFERENCED));
	}
	stop = true;
	pthread_join(thread, NULL);
	assert_int_equal(broken, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_batch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_states, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hand, setup, teardown),
		cmocka_unit_test_setup_teardown(test_second_chance, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shared, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_beside_faults, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
