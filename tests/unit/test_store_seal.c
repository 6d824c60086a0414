// SPDX-License-Identifier: MIT
/* Description: what a backend gets tells nothing; what it gives back is what it got, or an error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "store/seal.h"
#include "store_fixture.h"

#define PAGES 200u

/* Where the word's object is on the fake device. */
static unsigned char *on_device(struct fixture *f, desc_t word)
{
	struct segment_place place;

	store_segment_place(f->store, desc_segment(word), &place);
	assert_ptr_equal(place.backend, &f->fake.base);
	assert_false(place.in_ram);
	return f->fake.bytes + place.extent + desc_offset(word);
}

static void expect_bad(struct fixture *f, unsigned int page)
{
	unsigned char bytes[PAGE_BYTES];

	assert_int_equal(store_get(f->store, word_of(f, page), bytes), -EILSEQ);
}

/* Pages 0 to PAGES - 1 of these patterns, on the device only. */
static void put_out(struct fixture *f, uint64_t first, uint64_t step)
{
	for (unsigned int i = 0; i < PAGES; i++)
		put(f, i, first + step * i);
	seal(f);
	while (write_oldest(f, false))
		;
}

static void test_nothing_readable(void **state)
{
	struct fixture *f = *state;
	const unsigned char *device = f->fake.bytes;
	size_t bytes = (size_t)f->fake.extents * BACKEND_EXTENT_BYTES;
	unsigned char page[PAGE_BYTES];

	put_out(f, RANDOM, 8);
	for (unsigned int i = 0; i < PAGES; i += 7) {
		pattern_fill(RANDOM + 8 * i, page);
		assert_null(memmem(device, bytes, page + 512, 16));
		expect(f, i, RANDOM + 8 * i);
	}
}

/* What is behind the last object had other pages in it. */
static void test_nothing_left_over(void **state)
{
	struct fixture *f = *state;
	unsigned char *copy = malloc(SEGMENT_BYTES);
	const void *bytes;
	uint32_t id;

	memset(copy, 0x5a, SEGMENT_BYTES);
	put(f, 0, RANDOM);
	seal(f);
	id = store_oldest_for_writeback(f->store, STORE_ANY_TIER, &bytes);
	assert_int_equal(store_seal(f->store, id, copy), 0);
	for (unsigned int i = desc_length(word_of(f, 0)); i < SEGMENT_BYTES; i++)
		assert_int_equal(copy[i], 0);
	store_segment_unwritten(f->store, id);
	free(copy);
}

static void test_changed(void **state)
{
	struct fixture *f = *state;
	unsigned char *object;

	put_out(f, HEAP, 8);
	object = on_device(f, word_of(f, 5));
	for (unsigned int i = 0; i < desc_length(word_of(f, 5)); i++) {
		object[i] ^= 1u << i % 8;
		expect_bad(f, 5);
		expect(f, 4, HEAP + 8 * 4);
		expect(f, 6, HEAP + 8 * 6);
		object[i] ^= 1u << i % 8;
	}
	expect(f, 5, HEAP + 8 * 5);
}

static void swap_bytes(unsigned char *one, unsigned char *other, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++) {
		unsigned char byte = one[i];

		one[i] = other[i];
		other[i] = byte;
	}
}

static void test_swapped(void **state)
{
	struct fixture *f = *state;
	desc_t one, other;

	put_out(f, RANDOM, 8);
	one = word_of(f, 3);
	other = word_of(f, 150);
	assert_int_equal(desc_length(one), desc_length(other));
	swap_bytes(on_device(f, one), on_device(f, other), desc_length(one));
	expect_bad(f, 3);
	expect_bad(f, 150);
	swap_bytes(on_device(f, one), on_device(f, other), desc_length(one));
	expect(f, 3, RANDOM + 8 * 3);
}

/* The same slots, segment, extent and offsets, other pages: what was there before does not open. */
static void test_replayed(void **state)
{
	struct fixture *f = *state;
	size_t bytes = (size_t)f->fake.extents * BACKEND_EXTENT_BYTES;
	unsigned char *before = malloc(bytes);
	desc_t word;

	put_out(f, RANDOM, 8);
	word = word_of(f, 7);
	memcpy(before, f->fake.bytes, bytes);
	clear(f, 0, PAGES);
	put_out(f, RANDOM + 8 * 1000, 8);
	assert_int_equal(desc_offset(word_of(f, 7)), desc_offset(word));
	assert_int_equal(desc_segment(word_of(f, 7)), desc_segment(word));
	expect(f, 7, RANDOM + 8 * 1007);
	memcpy(f->fake.bytes, before, bytes);
	for (unsigned int i = 0; i < PAGES; i++)
		expect_bad(f, i);
	free(before);
}

/* A segment comes back into RAM without what does not open, and goes out again. */
static void test_recalled(void **state)
{
	struct fixture *f = *state;

	put_out(f, HEAP, 8);
	on_device(f, word_of(f, 0))[3] ^= 4;
	on_device(f, word_of(f, 20))[40] ^= 4;
	on_device(f, word_of(f, 21))[0] ^= 4;
	/* A length that is another, plausible one. */
	on_device(f, word_of(f, 100))[6] ^= 1;
	for (unsigned int round = 0; round < 2; round++) {
		while (!store_drain_one(f->store, &f->fake.base, false))
			;
		for (unsigned int i = 0; i < PAGES; i++) {
			if (i == 0 || i == 20 || i == 21 || i == 100)
				expect_bad(f, i);
			else
				expect(f, i, HEAP + 8 * i);
		}
		while (write_oldest(f, false))
			;
	}
	clear(f, 100, 1);
	clear(f, 20, 2);
	clear(f, 0, 1);
}

static void test_runs(void **state)
{
	struct fixture *f = *state;
	unsigned char bytes[PAGE_BYTES];
	const char *codec;
	unsigned int pages = 0, bad = 0;
	uint32_t length;
	unsigned char *object;

	put_runs(f, 2000);
	seal_cleaned(f);
	while (write_oldest(f, false))
		;
	assert_int_equal(store_describe(f->store, word_of(f, 100), &codec, &length, &pages), 0);
	assert_int_equal(pages, 16);
	for (unsigned int i = 0; i < 2000; i++)
		expect(f, i, 4 + 8 * i);
	object = on_device(f, word_of(f, 100));
	for (unsigned int i = 0; i < length; i += i < 140 ? 1 : 97) {
		object[i] ^= 1u << i % 8;
		bad += store_get(f->store, word_of(f, 100), bytes) == -EILSEQ;
		assert_int_equal(bad, i < 140 ? i + 1 : bad);
		object[i] ^= 1u << i % 8;
	}
	while (!store_drain_one(f->store, &f->fake.base, false))
		;
	for (unsigned int i = 0; i < 2000; i++)
		expect(f, i, 4 + 8 * i);
}

/* A forked copy would use the same nonces for other bytes. */
static void test_forked(void **state)
{
	struct seal *one;
	int status;
	pid_t pid;

	assert_int_equal(seal_new(&one), 0);
	assert_int_equal(seal_serial(one), 1);
	pid = fork();
	if (!pid)
		_exit(seal_serial(one) ? 1 : 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(seal_serial(one), 2);
	seal_free(one);
}

static void test_figures(void **state)
{
	struct fixture *f = *state;
	struct store_statistics statistics;

	put_out(f, RANDOM, 8);
	store_statistics(f->store, &statistics);
	assert_int_equal(statistics.header_bytes, PAGES * (16 + 16));
	assert_int_equal(statistics.live_bytes, PAGES * (16 + 4096 + 16));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_sealed, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_readable),
		TEST(test_nothing_left_over),
		TEST(test_changed),
		TEST(test_swapped),
		TEST(test_replayed),
		TEST(test_recalled),
		TEST(test_runs),
		TEST(test_forked),
		TEST(test_figures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
