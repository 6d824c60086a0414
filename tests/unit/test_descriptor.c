// SPDX-License-Identifier: MIT
/* Description: descriptors: what a word says, and the lock in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include "space/slot.h"

static void test_words(void **state)
{
	desc_t location = desc_make_location(0xabcdef, 0xffff * 16, 4112, 15), word;

	assert_int_equal(desc_segment(location), 0xabcdef);
	assert_int_equal(desc_offset(location), 0xffff * 16);
	assert_int_equal(desc_length(location), 4112);
	assert_int_equal(desc_index(location), 15);
	assert_int_equal(desc_length(desc_make_location(1, 0, 8176, 0)), 8176);
	assert_int_equal(desc_length(desc_make_location(1, 0, 8192, 0)), 0);
	assert_true(desc_location(~0ull) >> 61 == 0);
	word = desc_at_index(desc_make_stored(desc_make_location(7, 16, 0, 0)), 3);
	assert_int_equal(desc_index(word), 3);
	assert_int_equal(desc_state(word), DESC_STORED);
	assert_int_equal(desc_anchor(desc_make_shared(UINT32_MAX)), UINT32_MAX);
	assert_string_equal(desc_state_name(DESC_BAD), "bad");
}

static void test_same(void **state)
{
	const uint64_t fit[] = {1, 0xff, (1ull << 56) - 1, ~0ull, 0x8000000180000001ull};
	const uint64_t too_wide[] = {1ull << 56, 0x0123456789abcdefull, 1ull << 63};
	desc_t word;

	for (size_t i = 0; i < sizeof(fit) / sizeof(*fit); i++) {
		assert_true(desc_make_same(fit[i], &word));
		assert_int_equal(desc_state(word), DESC_SAME);
		assert_false(word & DESC_LOCK);
		assert_true(desc_same_word(word | DESC_REFERENCED | DESC_AGE_MASK) == fit[i]);
	}
	for (size_t i = 0; i < sizeof(too_wide) / sizeof(*too_wide); i++)
		assert_false(desc_make_same(too_wide[i], &word));
}

static void test_lock(void **state)
{
	slot_t slot = DESC_RESIDENT | DESC_REFERENCED;

	assert_true(slot_lock(&slot) == (DESC_RESIDENT | DESC_REFERENCED));
	assert_false(slot_trylock(&slot, DESC_RESIDENT | DESC_REFERENCED));
	assert_false(slot_trylock(&slot, DESC_RESIDENT | DESC_REFERENCED | DESC_LOCK));
	assert_false(slot_change(&slot, DESC_RESIDENT | DESC_REFERENCED, 0));
	slot_unlock(&slot, DESC_ZERO);
	assert_false(slot_change(&slot, DESC_RESIDENT, DESC_BAD));
	assert_true(slot_change(&slot, DESC_ZERO, DESC_BAD));
	assert_true(slot_trylock(&slot, DESC_BAD));
}

#define LOCK_ROUNDS 20000

static void *count_under_lock(void *argument)
{
	slot_t *slot = argument;

	for (int i = 0; i < LOCK_ROUNDS; i++)
		slot_unlock(slot, slot_lock(slot) + (1 << 8));
	return NULL;
}

static void test_lock_threads(void **state)
{
	slot_t slot = DESC_STORED;
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, count_under_lock, &slot);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(slot, DESC_STORED | (uint64_t)3 * LOCK_ROUNDS << 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_lock),
		cmocka_unit_test(test_lock_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
