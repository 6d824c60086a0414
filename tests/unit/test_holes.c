// SPDX-License-Identifier: MIT
/* Description: segments that are filled in place: what dies makes room for what comes, and nothing
 * else does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include "store/private.h"
#include "store/segment.h"
#include "store_fixture.h"

#define RAW 4112u /* bytes of an object of a page that does not compress */

static uint64_t grains_taken(struct fixture *f, uint32_t id)
{
	struct segment *segment = segment_of(f->store, id);
	uint64_t taken = 0;

	for (uint32_t i = 0; i < HOLES_WORDS; i++)
		taken += (uint64_t)__builtin_popcountll(
			f->store->holes.bits[segment->frame * HOLES_WORDS + i]);
	return taken;
}

static void put_raw(struct fixture *f, unsigned int first, unsigned int count, unsigned int step,
		    unsigned int salt)
{
	for (unsigned int i = first; i < first + count; i += step) {
		put(f, i, RANDOM + 8 * (i + salt));
		store_published(f->writer);
	}
}

/* The next put looks for holes, from the first segment on. */
static void look_from_the_first(struct fixture *f)
{
	f->store->holes.hand = 1;
	f->store->holes.rest = 0;
	f->store->holes.debt = SEGMENT_BYTES;
}

/* What put_raw has put there. */
static void expect_random(struct fixture *f, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		expect(f, i, RANDOM + 8 * i);
}

static void test_filled_again(void **state)
{
	struct fixture *f = *state;
	uint64_t before;

	put_raw(f, 0, 2000, 1, 0);
	before = store_ram_bytes(f->store);
	for (unsigned int round = 1; round < 20; round++) {
		for (unsigned int i = round % 4; i < 1700; i += 4)
			clear(f, i, 1);
		store_check(f->store);
		put_raw(f, round % 4, 1700 - round % 4, 4, 0);
		store_check(f->store);
	}
	assert_int_equal(store_ram_bytes(f->store), before);
	expect_random(f, 2000);
}

static void test_neighbours_are_one_hole(void **state)
{
	struct fixture *f = *state;
	desc_t first;

	for (unsigned int i = 0; i < 900; i++)
		put(f, i, HEAP + 8 * i);
	seal(f);
	assert_in_range(desc_length(word_of(f, 200)), RAW / 4, RAW - 16);
	for (unsigned int i = 200; i < 204; i++)
		assert_int_equal(desc_segment(word_of(f, i)), desc_segment(word_of(f, 200)));
	first = word_of(f, 200);
	/* Not in their order. */
	clear(f, 202, 1);
	clear(f, 200, 1);
	clear(f, 203, 1);
	clear(f, 201, 1);
	look_from_the_first(f);
	put(f, 1000, RANDOM);
	assert_int_equal(desc_segment(word_of(f, 1000)), desc_segment(first));
	assert_int_equal(desc_offset(word_of(f, 1000)), desc_offset(first));
	store_check(f->store);
	expect(f, 1000, RANDOM);
	expect(f, 199, HEAP + 8 * 199);
	expect(f, 204, HEAP + 8 * 204);
}

static void test_shortest_hole_that_fits(void **state)
{
	struct fixture *f = *state;
	desc_t exact;

	put_raw(f, 0, 4, 1, 0);
	put(f, 2000, HEAP);
	put_raw(f, 4, 500, 1, 0);
	exact = word_of(f, 2000);
	assert_true(desc_length(exact) < RAW);
	clear(f, 1, 1);
	clear(f, 2000, 1);
	clear(f, 5, 1);
	seal(f);
	look_from_the_first(f);
	put(f, 1000, HEAP);
	assert_int_equal(desc_location(word_of(f, 1000)), desc_location(exact));
	store_check(f->store);
}

/* What died is given back even if it was seen as a hole, and the hints that are left do no harm. */
static void test_death(void **state)
{
	struct fixture *f = *state;

	for (unsigned int round = 0; round < 3; round++) {
		put_raw(f, 0, 1500, 1, round);
		for (unsigned int i = 0; i < 1500; i += 3)
			clear(f, i, 1);
		put_raw(f, 2000, 100, 1, 0);
		clear(f, 0, 2100);
		assert_true(store_ram_bytes(f->store) <= 4 * SEGMENT_BYTES);
		store_check(f->store);
	}
}

/* A hint that is left when its segment dies stands for nothing in the next one of that number. */
static void test_hints_are_proved(void **state)
{
	struct fixture *f = *state;
	uint32_t id;

	put_raw(f, 0, 250, 1, 0);
	id = desc_segment(word_of(f, 0));
	seal(f);
	clear(f, 0, 100);
	look_from_the_first(f);
	put_raw(f, 0, 1, 1, 0);
	assert_int_equal(desc_segment(word_of(f, 0)), id);
	seal(f);
	clear(f, 0, 250);
	assert_int_equal(store_reserve(f->writer, 250), 0);
	/* All are appended. */
	pthread_mutex_lock(&f->store->holes.lock);
	for (unsigned int i = 0; i < 250; i++)
		put_reserved(f, i, RANDOM + 8 * i);
	seal(f);
	pthread_mutex_unlock(&f->store->holes.lock);
	assert_int_equal(desc_segment(word_of(f, 0)), id);
	put_raw(f, 300, 10, 1, 0);
	store_check(f->store);
	expect_random(f, 250);
}

/* A segment that was closed early has room behind its end, as far as it has memory. */
static void test_room_behind_the_end(void **state)
{
	struct fixture *f = *state;
	uint32_t id;

	put_raw(f, 0, 4, 1, 0);
	id = desc_segment(word_of(f, 0));
	seal(f);
	look_from_the_first(f);
	assert_in_range(segment_of(f->store, id)->used, 4 * RAW, SEGMENT_BYTES / 2);
	put_raw(f, 4, 200, 1, 0);
	assert_int_equal(desc_segment(word_of(f, 4)), id);
	assert_int_not_equal(desc_segment(word_of(f, 203)), id);
	assert_in_range(grains_taken(f, id) * STORE_GRAIN, SEGMENT_BYTES / 16,
			segment_of(f->store, id)->used);
	expect_random(f, 204);
}

/* Who puts has slots locked that others wait for: it does not wait for who looks for holes. */
static void test_putting_does_not_wait(void **state)
{
	struct fixture *f = *state;
	uint32_t open;

	put_raw(f, 0, 400, 1, 0);
	open = desc_segment(word_of(f, 399));
	clear(f, 10, 100);
	look_from_the_first(f);
	pthread_mutex_lock(&f->store->holes.lock);
	put_raw(f, 500, 1, 1, 0);
	pthread_mutex_unlock(&f->store->holes.lock);
	assert_int_equal(desc_segment(word_of(f, 500)), open);
	put_raw(f, 501, 1, 1, 0);
	assert_int_not_equal(desc_segment(word_of(f, 501)), open);
}

/* Where nothing fits the cleaner makes room of holes: few pages of the emptiest segment move. */
static void test_room_for_what_fits_nowhere(void **state)
{
	struct fixture *f = *state;
	struct store_statistics statistics;
	unsigned int pages = 0;

	/* Not all of it: a raw page does not fit where one of these was. */
	for (; !store_reserve(f->writer, 1); pages++)
		put(f, pages, HEAP + 8 * pages);
	store_published(f->writer);
	for (unsigned int i = 0; i < pages; i += 5)
		clear(f, i, 1);
	assert_int_equal(store_reserve(f->writer, 260), -ENOSPC);
	for (unsigned int i = 0; store_reserve(f->writer, 260); i++)
		assert_true(i < 20 && store_clean(f->store, f->cleaner, false));
	store_check(f->store);
	for (unsigned int i = 0; i < 260; i++)
		put_reserved(f, pages + i, RANDOM + 8 * i);
	store_published(f->writer);
	store_check(f->store);
	store_statistics(f->store, &statistics);
	assert_in_range(statistics.copied_bytes, 1, 6 * SEGMENT_BYTES);
	for (unsigned int i = 0; i < pages; i++)
		if (i % 5)
			expect(f, i, HEAP + 8 * i);
}

/* A page that cannot move now does not keep the cleaner from other segments. */
static void test_something_in_the_way(void **state)
{
	struct fixture *f = *state;
	desc_t word;

	put_raw(f, 0, 1000, 1, 0);
	seal(f);
	word = slot_lock(memory_look(f->memory, 0));
	clear(f, 1, 200);
	clear(f, 300, 150);
	assert_true(store_clean(f->store, f->cleaner, false) > 0);
	slot_unlock(memory_look(f->memory, 0), word);
	store_check(f->store);
	expect(f, 0, RANDOM);
}

/* A cleaner for whom no frame was left can still empty segments into holes. */
static void test_no_frame_left(void **state)
{
	struct fixture *f = *state;
	struct store_writer *greedy;
	unsigned int pages = 0;

	for (; !store_reserve(f->writer, 1); pages++)
		put(f, pages, RANDOM + 8 * pages);
	store_published(f->writer);
	assert_int_equal(store_writer_open(f->store, &greedy), 0);
	greedy->cleaner = true;
	while (!store_reserve(greedy, (greedy->spare_count + 1) * 200))
		;
	for (unsigned int i = 0; i < pages; i++)
		if (i % 5)
			clear(f, i, 1);
	for (unsigned int i = 0; store_reserve(f->writer, 260); i++)
		assert_true(i < 20 && store_clean(f->store, f->cleaner, false));
	store_writer_close(greedy);
	store_check(f->store);
	for (unsigned int i = 0; i < pages; i += 5)
		expect(f, i, RANDOM + 8 * i);
}

/* Cold neighbours are packed; what cannot be stays, and is not tried again before much is new. */
static void test_packing(void **state)
{
	struct fixture *f = *state;
	struct store_statistics before, after;
	unsigned int rounds = 0;

	for (unsigned int i = 0; i < 2000; i++)
		put(f, i, i / 64 % 2 ? 4 + 8 * i : RANDOM + 8 * i);
	seal(f);
	store_statistics(f->store, &before);
	while (store_clean(f->store, f->cleaner, true) && rounds++ < 100)
		store_check(f->store);
	assert_true(rounds < 100);
	store_statistics(f->store, &after);
	assert_true(after.recoded_pages >= 500);
	assert_true(after.live_bytes < before.live_bytes);
	for (unsigned int i = 0; i < 2000; i++)
		expect(f, i, i / 64 % 2 ? 4 + 8 * i : RANDOM + 8 * i);
	/* What packing left is filled, and runs that die are cleaned away. */
	put_raw(f, 3000, 100, 1, 0);
	for (unsigned int i = 64; i < 2000; i++)
		if (i / 64 % 2)
			clear(f, i, 1);
	while (store_clean(f->store, f->cleaner, false))
		store_check(f->store);
	for (unsigned int i = 0; i < 2000; i++)
		if (!(i / 64 % 2))
			expect(f, i, RANDOM + 8 * i);
}

/* A word that comes again may stand for other bytes here: reading without the slot's lock is for
 * devices. */
static void test_no_fetch(void **state)
{
	struct fixture *f = *state;
	struct store_fetch fetch;
	const void *bytes;

	put_raw(f, 0, 300, 1, 0);
	seal(f);
	assert_false(store_fetch_begin(f->store, word_of(f, 0), &fetch));
	assert_int_equal(store_oldest_tiers(f->store, STORE_ANY_TIER), 0);
	assert_int_equal(store_oldest_for_writeback(f->store, STORE_ANY_TIER, &bytes), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_in_place, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_filled_again),
		TEST(test_neighbours_are_one_hole),
		TEST(test_shortest_hole_that_fits),
		TEST(test_death),
		TEST(test_hints_are_proved),
		TEST(test_room_behind_the_end),
		TEST(test_putting_does_not_wait),
		TEST(test_room_for_what_fits_nowhere),
		TEST(test_something_in_the_way),
		TEST(test_no_frame_left),
		TEST(test_packing),
		TEST(test_no_fetch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
