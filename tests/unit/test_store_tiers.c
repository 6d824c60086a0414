// SPDX-License-Identifier: MIT
/* Description: segments go to the tiers that were chosen for them and to no other, whoever moves
 * what is in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include "store_fixture.h"

#define SETS  3u
#define PACKS 4u /* such patterns take much less with their neighbours */

static const uint16_t sets[SETS] = {STORE_ANY_TIER, 0, 2};

static struct segment_place place_of(struct fixture *f, unsigned int page)
{
	struct segment_place place;

	store_segment_place(f->store, desc_segment(word_of(f, page)), &place);
	return place;
}

/* Page i, of pattern 8 * i + RANDOM, is for set i % SETS. */
static void put_in_turn(struct fixture *f, unsigned int pages)
{
	for (unsigned int i = 0; i < pages; i++) {
		store_writer_select(f->writer, sets[i % SETS]);
		put(f, i, 8 * i + RANDOM);
		store_published(f->writer);
	}
	store_writer_select(f->writer, STORE_ANY_TIER);
}

static void test_open_segments_go_on(void **state)
{
	struct fixture *f = *state;

	put_in_turn(f, 600);
	/* 200 pages that do not compress fill less than a segment. */
	assert_int_equal(store_ram_bytes(f->store), SETS * SEGMENT_BYTES);
	for (unsigned int i = 0; i < 600; i++) {
		assert_int_equal(desc_segment(word_of(f, i)), desc_segment(word_of(f, i % SETS)));
		expect(f, i, 8 * i + RANDOM);
	}
}

static void test_written_where_allowed(void **state)
{
	struct fixture *f = *state;

	put_in_turn(f, 1500);
	seal(f);
	assert_int_equal(store_oldest_tiers(f->store, 1), STORE_ANY_TIER);
	while (write_oldest_for(f, 1, false))
		;
	assert_int_equal(store_oldest_tiers(f->store, 1), 0);
	assert_int_equal(store_oldest_tiers(f->store, STORE_ANY_TIER), 2);
	for (unsigned int i = 0; i < 1500; i++) {
		assert_int_equal(place_of(f, i).backend != NULL, i % SETS == 0);
		expect(f, i, 8 * i + RANDOM);
	}
	while (write_oldest_for(f, 2, false))
		;
	assert_int_equal(store_oldest_tiers(f->store, STORE_ANY_TIER), 0);
	for (unsigned int i = 0; i < 1500; i++)
		assert_int_equal(place_of(f, i).in_ram, i % SETS == 1);
}

/* What the cleaner copies, alone or packed with neighbours, of which every fourth has the next set,
 * stays apart. */
static void clean_and_check(struct fixture *f, bool strong)
{
	unsigned int pattern = strong ? PACKS : RANDOM;
	struct store_statistics after;

	for (unsigned int i = 0; i < 3000; i++) {
		store_writer_select(f->writer, sets[i / 4 % SETS]);
		put(f, i, 8 * i + pattern);
		store_published(f->writer);
	}
	seal(f);
	for (unsigned int i = 0; i < 3000 && !strong; i++)
		if (i / 4 / SETS % 4)
			clear(f, i, 1);
	for (unsigned int i = 0; i < 60; i++)
		store_clean(f->store, f->cleaner, strong);
	store_statistics(f->store, &after);
	assert_true(!strong || after.recoded_pages > 1000);
	seal_cleaned(f);
	while (write_oldest_for(f, 1, false))
		;
	for (unsigned int i = 0; i < 3000; i++) {
		if (!strong && i / 4 / SETS % 4)
			continue;
		expect(f, i, 8 * i + pattern);
		/* Some patterns are one letter, which takes no bytes. */
		if (desc_state(word_of(f, i)) == DESC_STORED)
			assert_int_equal(place_of(f, i).backend != NULL, i / 4 % SETS == 0);
	}
}

static void test_cleaned_apart(void **state)
{
	clean_and_check(*state, false);
}

static void test_recoded_apart(void **state)
{
	clean_and_check(*state, true);
}

/* Others still find room when what must stay in RAM has its part. */
static void test_kept_have_a_part(void **state)
{
	struct fixture *f = *state;
	unsigned int kept = 0, page;

	store_writer_select(f->writer, 0);
	while (!store_reserve(f->writer, 1)) {
		put_reserved(f, kept, 8 * kept + RANDOM);
		store_published(f->writer);
		kept++;
		assert_true(kept < RAM_SEGMENTS * SEGMENT_BYTES / PAGE_BYTES);
	}
	assert_in_range(store_ram_bytes(f->store), RAM_SEGMENTS / 4 * SEGMENT_BYTES,
			RAM_SEGMENTS / 2 * SEGMENT_BYTES);
	store_writer_select(f->writer, STORE_ANY_TIER);
	for (page = kept; page < kept + 2000; page++) {
		while (store_reserve(f->writer, 1))
			assert_true(write_oldest(f, false));
		put_reserved(f, page, 8 * page + RANDOM);
		store_published(f->writer);
	}
	for (page = 0; page < kept + 2000; page++)
		expect(f, page, 8 * page + RANDOM);
	/* When they are dropped there is room again. */
	clear(f, 0, kept);
	store_writer_select(f->writer, 0);
	assert_int_equal(store_reserve(f->writer, 1), 0);
}

/* More sets than a writer has open segments for: some are sealed early, nothing else. */
static void test_many_sets(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < 48; i++) {
		while (store_ram_bytes(f->store) > (RAM_SEGMENTS - 4) * SEGMENT_BYTES)
			assert_true(write_oldest(f, false));
		store_writer_select(f->writer, (uint16_t)(1u << i % 12));
		put(f, i, 8 * i + RANDOM);
		store_published(f->writer);
	}
	for (unsigned int i = 0; i < 48; i++)
		expect(f, i, 8 * i + RANDOM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_open_segments_go_on, setup, teardown),
		cmocka_unit_test_setup_teardown(test_written_where_allowed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cleaned_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_recoded_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kept_have_a_part, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_sets, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
