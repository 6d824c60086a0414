// SPDX-License-Identifier: MIT
/* Description: the store's promises, one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "store_fixture.h"

static void test_kinds(void **state)
{
	struct fixture *f = *state;
	struct store_statistics statistics;

	for (unsigned int i = 0; i < 64; i++)
		put(f, i, i);
	for (unsigned int i = 0; i < 64; i++)
		expect(f, i, i);
	assert_int_equal(word_of(f, 0), DESC_ZERO);
	assert_int_equal(desc_state(word_of(f, 1)), DESC_SAME);
	assert_int_equal(desc_state(word_of(f, 2)), DESC_STORED);
	assert_int_equal(desc_length(word_of(f, RANDOM)), 4112);
	store_statistics(f->store, &statistics);
	assert_int_equal(statistics.zero, 1);
	assert_int_equal(statistics.same, 8);
	assert_int_equal(statistics.stored, 55);
	assert_int_equal(statistics.put_zero, 1);
	assert_int_equal(statistics.put_raw, 8);
	assert_int_equal(statistics.put_word + statistics.put_lz4 + statistics.put_raw, 55);
	assert_int_equal(statistics.header_bytes, 55 * 16);
	assert_true(statistics.live_bytes >= 8 * 4112);
}

static void test_other_words(void **state)
{
	struct fixture *f = *state;
	unsigned char bytes[PAGE_BYTES];

	assert_int_equal(store_get(f->store, DESC_BAD, bytes), -EIO);
	assert_int_equal(store_get(f->store, DESC_RESIDENT, bytes), -EINVAL);
	assert_int_equal(store_get(f->store, DESC_LEAVING, bytes), -EINVAL);
	assert_int_equal(store_get(f->store, DESC_ABSENT, bytes), 0);
	assert_true(pattern_matches(0, bytes));
	assert_false(store_is_same(f->store, DESC_RESIDENT, bytes));
}

static void test_limit(void **state)
{
	struct fixture *f = *state;
	unsigned int pages = 0;

	for (; !store_reserve(f->writer, 1); pages++)
		put(f, pages, RANDOM + 8 * pages);
	/* 254 incompressible pages a segment; the last frames are the cleaner's. */
	assert_in_range(pages, (RAM_SEGMENTS - 2) * 254, RAM_SEGMENTS * 255);
	assert_int_equal(store_reserve(f->writer, 1), -ENOSPC);
	assert_true(store_ram_bytes(f->store) <= RAM_SEGMENTS * SEGMENT_BYTES);
	/* What is reserved cannot fail, whatever others take. */
	store_set_ram(f->store, 2 * RAM_SEGMENTS * SEGMENT_BYTES);
	assert_int_equal(store_reserve(f->writer, 300), 0);
	store_set_ram(f->store, SEGMENT_BYTES);
	for (unsigned int i = 0; i < 300; i++)
		put_reserved(f, pages + i, RANDOM + 8 * i);
	store_published(f->writer);
	clear(f, 0, pages + 300);
	store_set_ram(f->store, RAM_SEGMENTS * SEGMENT_BYTES);
	assert_int_equal(store_reserve(f->writer, 600), 0);
}

static void test_reserve(void **state)
{
	struct fixture *f = *state;

	/* The worst case, from every place in a segment: nothing compresses. */
	for (unsigned int count = 1; count < 600; count += count < 40 ? 1 : 53) {
		assert_int_equal(store_reserve(f->writer, count), 0);
		for (unsigned int i = 0; i < count; i++)
			put_reserved(f, i, RANDOM + 8 * i);
		store_published(f->writer);
	}
	assert_int_equal(store_reserve(f->writer, 1000000), -ENOSPC);
	store_set_ram(f->store, 2 * RAM_SEGMENTS * SEGMENT_BYTES);
	assert_int_equal(store_reserve(f->writer, 1000000), -EINVAL);
}

static void test_dead_segment(void **state)
{
	struct fixture *f = *state;
	uint64_t before;

	for (unsigned int i = 0; i < 1000; i++)
		put(f, i, RANDOM + 8 * i);
	store_published(f->writer);
	before = store_ram_bytes(f->store);
	clear(f, 0, 520);
	/* Two segments died; one frame is kept for use again. */
	assert_true(store_ram_bytes(f->store) == before - SEGMENT_BYTES);
	assert_int_equal(store_reserve(f->writer, 254 * 2), 0);
	assert_true(store_ram_bytes(f->store) == before);
	for (unsigned int i = 520; i < 1000; i++)
		expect(f, i, RANDOM + 8 * i);
}

static void test_clean_pages(void **state)
{
	struct fixture *f = *state;
	unsigned char bytes[PAGE_BYTES];
	struct segment_place place;
	desc_t word;

	put(f, 0, HEAP);
	word = word_of(f, 0);
	pattern_fill(HEAP, bytes);
	assert_true(store_is_same(f->store, word, bytes));
	assert_true(store_is_same(f->store, desc_location(word) | DESC_RESIDENT, bytes));
	bytes[4095] ^= 1;
	assert_false(store_is_same(f->store, word, bytes));
	bytes[4095] ^= 1;
	seal(f);
	assert_int_equal(write_oldest(f, false), desc_segment(word));
	assert_false(store_is_same(f->store, word, bytes));
	assert_false(store_is_fast(f->store, word));
	store_segment_place(f->store, desc_segment(word), &place);
	assert_false(place.in_ram);
	assert_ptr_equal(place.backend, &f->fake.base);
	expect(f, 0, HEAP);
}

/* Damages the stored object in its frame or extent. */
static void damage(const void *segment, desc_t word)
{
	((unsigned char *)segment)[desc_offset(word) + 100] ^= 0x40;
}

static void test_bad_bytes(void **state)
{
	struct fixture *f = *state;
	unsigned char bytes[PAGE_BYTES];
	struct store_statistics statistics;
	const void *segment;
	uint64_t extent;
	uint32_t id;

	put(f, 0, RANDOM);
	put(f, 1, RANDOM + 8);
	seal(f);
	id = store_oldest_for_writeback(f->store, STORE_ANY_TIER, &segment);
	extent = f->fake.base.operations->allocate(&f->fake.base);
	fake_backend_write(&f->fake, extent, segment);
	store_segment_written(f->store, id, &f->fake.base, extent, true);
	/* The RAM copy is bad: the backend's is taken. */
	damage(segment, word_of(f, 0));
	expect(f, 0, RANDOM);
	/* Both are bad: an error, never wrong bytes. The neighbour is well. */
	damage(f->fake.bytes + extent, word_of(f, 0));
	assert_int_equal(store_get(f->store, word_of(f, 0), bytes), -EILSEQ);
	expect(f, 1, RANDOM + 8);
	f->fake.fail_reads = true;
	expect(f, 1, RANDOM + 8);
	store_clean(f->store, f->cleaner, false);
	assert_int_equal(store_get(f->store, word_of(f, 1), bytes), -EIO);
	f->fake.fail_reads = false;
	expect(f, 1, RANDOM + 8);
	store_statistics(f->store, &statistics);
	assert_int_equal(statistics.bad_reads, 2);
}

static void test_cleaning(void **state)
{
	struct fixture *f = *state;
	struct store_statistics statistics;

	for (unsigned int i = 0; i < 2500; i++)
		put(f, i, RANDOM + 8 * i);
	store_published(f->writer);
	for (unsigned int i = 0; i < 2500; i++)
		if (i % 4)
			clear(f, i, 1);
	while (store_clean(f->store, f->cleaner, false))
		store_check(f->store);
	store_statistics(f->store, &statistics);
	assert_true(statistics.cleaned_segments >= 8);
	assert_true(statistics.segments_ram <= 6);
	assert_true(statistics.copied_bytes >= 500 * 4112);
	for (unsigned int i = 0; i < 2500; i += 4)
		expect(f, i, RANDOM + 8 * i);
}

static void test_shadows_go_first(void **state)
{
	struct fixture *f = *state;
	unsigned char bytes[PAGE_BYTES];

	for (unsigned int i = 0; i < 1000; i++)
		put(f, i, RANDOM + 8 * i);
	seal(f);
	for (unsigned int i = 0; i < 1000; i++) {
		slot_t *slot = memory_look(f->memory, (uint64_t)i * PAGE_BYTES);
		desc_t word = slot_lock(slot);

		assert_int_equal(store_get(f->store, word, bytes), 0);
		slot_unlock(slot, desc_location(word) | DESC_RESIDENT | DESC_REFERENCED);
	}
	while (store_clean(f->store, f->cleaner, false))
		;
	assert_true(store_ram_bytes(f->store) <= 4 * SEGMENT_BYTES);
	for (unsigned int i = 0; i < 1000; i++)
		assert_int_equal(word_of(f, i), DESC_RESIDENT | DESC_REFERENCED);
}

static void test_peeks_are_no_shadows(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < 1000; i++)
		put(f, i, RANDOM + 8 * i);
	seal(f);
	for (unsigned int i = 0; i < 1000; i++)
		expect(f, i, RANDOM + 8 * i);
	/* The guess that all are resident now was wrong: nothing is copied for it. */
	assert_int_equal(store_clean(f->store, f->cleaner, false), 0);
	for (unsigned int i = 0; i < 1000; i++)
		expect(f, i, RANDOM + 8 * i);
}

static void test_recoding(void **state)
{
	struct fixture *f = *state;
	struct store_statistics before, after;
	const char *codec;
	unsigned int pages;
	uint32_t bytes;

	for (unsigned int i = 0; i < 2000; i++)
		put(f, i * 7 % 2000, 4 + 8 * (i * 7 % 2000)); /* not in order */
	seal(f);
	store_statistics(f->store, &before);
	for (int i = 0; i < 40; i++)
		store_clean(f->store, f->cleaner, true);
	store_check(f->store);
	store_statistics(f->store, &after);
	assert_true(after.recoded_pages >= 1500);
	assert_true(after.live_bytes * 2 < before.live_bytes);
	assert_int_equal(store_describe(f->store, word_of(f, 100), &codec, &bytes, &pages), 0);
	assert_string_equal(codec, "zstd");
	assert_int_equal(pages, 16);
	for (unsigned int i = 0; i < 2000; i++)
		expect(f, i, 4 + 8 * i);
	/* Runs that lose pages are packed again, those that lose all vanish. */
	for (unsigned int i = 0; i < 2000; i++)
		if (i % 3 || i > 1000)
			clear(f, i, 1);
	for (int i = 0; i < 40; i++)
		store_clean(f->store, f->cleaner, i % 2);
	store_check(f->store);
	for (unsigned int i = 0; i < 1000; i += 3)
		expect(f, i, 4 + 8 * i);
	seal(f);
	seal_cleaned(f);
	while (write_oldest(f, false))
		;
	for (unsigned int i = 0; i < 1000; i += 3)
		expect(f, i, 4 + 8 * i);
}

/* Nothing that was bad before the cleaner came is taken for good afterwards. */
static void test_bad_run(void **state)
{
	struct fixture *f = *state;
	unsigned char bytes[PAGE_BYTES];
	unsigned int bad = 0;
	const void *segment;
	uint32_t id;

	put_runs(f, 2000);
	seal_cleaned(f);
	id = store_oldest_for_writeback(f->store, STORE_ANY_TIER, &segment);
	for (unsigned int i = 0; i < 2000; i += 16)
		if (desc_segment(word_of(f, i)) == id)
			((unsigned char *)segment)[desc_offset(word_of(f, i)) + 180 + i % 64] ^= 1;
	store_segment_unwritten(f->store, id);
	for (unsigned int i = 0; i < 2000; i++)
		if (i % 5)
			clear(f, i, 1);
	for (int i = 0; i < 20; i++)
		store_clean(f->store, f->cleaner, i % 2);
	for (unsigned int i = 0; i < 2000; i += 5) {
		int error = store_get(f->store, word_of(f, i), bytes);

		assert_true(error == -EILSEQ || (!error && pattern_matches(4 + 8 * i, bytes)));
		bad += error != 0;
	}
	assert_true(bad > 0);
}

/* Stored pages of a parent and its child; the parent, whose slots the headers name, goes. */
static void orphan(struct fixture *f, unsigned int pages)
{
	struct memory *child;

	assert_int_equal(memory_open(&child, f->space), 0);
	assert_int_equal(memory_fork(f->memory, child), 0);
	for (unsigned int i = 0; i < pages; i += CLUSTER_SLOTS)
		assert_non_null(memory_bind(child, (uint64_t)i * PAGE_BYTES));
	memory_close(f->memory);
	f->memory = child;
}

static void test_orphans(void **state)
{
	struct fixture *f = *state;
	struct store_statistics statistics;
	uint32_t segment;
	uint64_t id;

	for (unsigned int i = 0; i < 2000; i++)
		put(f, i, RANDOM + 8 * i);
	seal(f);
	segment = desc_segment(word_of(f, 0));
	id = memory_slot_id(f->memory, 0);
	orphan(f, 2000);
	assert_int_equal(desc_state(word_of(f, 0)), DESC_SHARED);
	assert_null(space_find_holder(f->space, id,
				      *anchor_slot(f->space, desc_anchor(word_of(f, 0)))));
	for (unsigned int i = 0; i < 2000; i++)
		if (i % 5)
			clear(f, i, 1);
	while (store_clean(f->store, f->cleaner, false))
		store_check(f->store);
	store_statistics(f->store, &statistics);
	assert_true(statistics.segments_ram <= 5);
	for (unsigned int i = 0; i < 2000; i += 5)
		expect(f, i, RANDOM + 8 * i);
	assert_int_not_equal(desc_segment(*anchor_slot(f->space, desc_anchor(word_of(f, 0)))),
			     segment);
}

static void test_orphans_of_runs(void **state)
{
	struct fixture *f = *state;

	put_runs(f, 2000);
	orphan(f, 2000);
	for (unsigned int i = 0; i < 2000; i++)
		if (i % 5)
			clear(f, i, 1);
	seal_cleaned(f);
	for (int i = 0; i < 20; i++)
		store_clean(f->store, f->cleaner, false);
	store_check(f->store);
	for (unsigned int i = 0; i < 2000; i += 5)
		expect(f, i, 4 + 8 * i);
}

static void test_bad_header(void **state)
{
	struct fixture *f = *state;
	const void *segment;
	uint32_t id;

	for (unsigned int i = 0; i < 260; i++)
		put(f, i, RANDOM + 8 * i);
	store_published(f->writer);
	id = store_oldest_for_writeback(f->store, STORE_ANY_TIER, &segment);
	memset((unsigned char *)segment + desc_offset(word_of(f, 10)), 0, 16);
	store_segment_unwritten(f->store, id);
	clear(f, 10, 1);
	for (unsigned int i = 11; i < 200; i++)
		clear(f, i, 1);
	/* The headers behind a broken one cannot be walked; their pages are still found. */
	assert_true(store_clean(f->store, f->cleaner, false) > 0);
	for (unsigned int i = 0; i < 10; i++)
		expect(f, i, RANDOM + 8 * i);
	for (unsigned int i = 200; i < 260; i++)
		expect(f, i, RANDOM + 8 * i);
	for (unsigned int i = 200; i < 254; i++)
		assert_int_not_equal(desc_segment(word_of(f, i)), id);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_kinds),
		TEST(test_other_words),
		TEST(test_limit),
		TEST(test_reserve),
		TEST(test_dead_segment),
		TEST(test_clean_pages),
		TEST(test_bad_bytes),
		TEST(test_cleaning),
		TEST(test_shadows_go_first),
		TEST(test_peeks_are_no_shadows),
		TEST(test_recoding),
		TEST(test_bad_run),
		TEST(test_orphans),
		TEST(test_orphans_of_runs),
		TEST(test_bad_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
