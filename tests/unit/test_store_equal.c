// SPDX-License-Identifier: MIT
/*
 * Description: two pages with the same checksum are two pages, and a checksum that is known to
 * everybody proves nothing. XXH3 collides where the low half of a word equals that of the secret
 * below it: the word then counts by its sum with the same word of the next stripe only.
 */
#define XXH_INLINE_ALL
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <xxhash.h>
#include "store/private.h"
#include "store/segment.h"
#include "store_fixture.h"

#define LANE   2u
#define STRIPE 8u /* words */

/* Two different pages that XXH3 with this secret does not tell apart. */
static void collide(const unsigned char *secret, uint64_t *one, uint64_t *other)
{
	uint32_t low[2];

	memcpy(&low[0], secret + 8 * LANE, sizeof(low[0]));
	memcpy(&low[1], secret + 8 * LANE + 8, sizeof(low[1]));
	memset(one, 0, PAGE_BYTES);
	memset(other, 0, PAGE_BYTES);
	one[LANE] = low[0] | 1000ull << 32;
	one[LANE + STRIPE] = low[1] | 5000ull << 32;
	other[LANE] = low[0] | 4000ull << 32;
	other[LANE + STRIPE] = low[1] | 2000ull << 32;
	assert_int_equal(XXH3_64bits_withSecret(one, PAGE_BYTES, secret, SECRET_BYTES),
			 XXH3_64bits_withSecret(other, PAGE_BYTES, secret, SECRET_BYTES));
}

/* Puts a page and says what the store then takes another one for. */
static void expect_told_apart(struct fixture *f, const void *one, const void *other)
{
	slot_t *slot = memory_bind(f->memory, 0);
	desc_t word;

	assert_int_equal(store_reserve(f->writer, 1), 0);
	slot_lock(slot);
	word = store_put(f->writer, memory_slot_id(f->memory, 0), one);
	slot_unlock(slot, word);
	assert_true(store_is_same(f->store, word, one));
	assert_false(store_is_same(f->store, word, other));
	assert_true(store_holds(f->store, word, one));
	assert_false(store_holds(f->store, word, other));
	clear(f, 0, 1);
}

/* Even who knows the secret. */
static void test_equal_sums(void **state)
{
	struct fixture *f = *state;
	uint64_t one[PAGE_BYTES / 8], other[PAGE_BYTES / 8];

	collide(f->store->secret, one, other);
	expect_told_apart(f, one, other);
	collide(XXH3_kSecret, one, other);
	expect_told_apart(f, one, other);
}

static void test_forged(void **state)
{
	struct fixture *f = *state;
	unsigned char forged[PAGE_BYTES], bytes[PAGE_BYTES];
	unsigned char *object;
	uint64_t sum;
	desc_t word;

	put(f, 0, RANDOM);
	word = word_of(f, 0);
	seal(f);
	assert_true(write_oldest(f, false));
	object = f->fake.bytes + segment_extent(segment_of(f->store, desc_segment(word))) +
		 desc_offset(word);
	pattern_fill(RANDOM + 8, forged);
	sum = XXH3_64bits(forged, PAGE_BYTES);
	memcpy(object + 8, &sum, sizeof(sum));
	memcpy(object + 16, forged, PAGE_BYTES);
	assert_int_equal(store_get(f->store, word, bytes), -EILSEQ);
}

static void test_other_secret(void **state)
{
	struct store_config config = {.ram_bytes = RAM_SEGMENTS * SEGMENT_BYTES,
				      .ram_bytes_highest = RAM_SEGMENTS * SEGMENT_BYTES,
				      .segments = 20};
	struct fixture *f = *state;
	unsigned char page[PAGE_BYTES];
	struct store *store;

	pattern_fill(RANDOM, page);
	assert_int_equal(store_open(&store, &config, 16), 0);
	assert_true(page_hash(store, page) != page_hash(f->store, page));
	assert_true(page_hash(store, page) != XXH3_64bits(page, PAGE_BYTES));
	store_close(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_equal_sums),
		TEST(test_forged),
		TEST(test_other_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
