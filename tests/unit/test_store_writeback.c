// SPDX-License-Identifier: MIT
// Description: the store's segments on a backend: written, brought back, compacted.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include "store_fixture.h"

static void test_writeback(void **state)
{
	struct fixture *f = *state;
	const void *bytes;
	uint32_t first, id;
	uint64_t before;

	for (unsigned int i = 0; i < 1300; i++)
		put(f, i, RANDOM + 8 * i);
	seal(f);
	first = desc_segment(word_of(f, 0));
	id = store_oldest_for_writeback(f->store, STORE_ANY_TIER, &bytes);
	assert_int_equal(id, first);
	expect(f, 0, RANDOM);
	store_segment_unwritten(f->store, id);
	/* Still the oldest; what dies while it is written is free the moment it is written. */
	id = store_oldest_for_writeback(f->store, STORE_ANY_TIER, &bytes);
	assert_int_equal(id, first);
	clear(f, 0, 254);
	before = store_ram_bytes(f->store);
	store_segment_written(f->store, id, &f->fake.base,
			      f->fake.base.operations->allocate(&f->fake.base), true);
	assert_int_equal(f->fake.used, 0);
	assert_true(store_ram_bytes(f->store) <= before);
	while (write_oldest(f, false))
		;
	assert_int_equal(f->fake.used, 5);
	assert_true(store_ram_bytes(f->store) <= 4 * SEGMENT_BYTES);
	for (unsigned int i = 254; i < 1300; i++)
		expect(f, i, RANDOM + 8 * i);
	clear(f, 254, 254);
	assert_int_equal(f->fake.used, 4);
}

static void test_drain(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < 1300; i++)
		put(f, i, RANDOM + 8 * i);
	seal(f);
	write_oldest(f, true);
	while (write_oldest(f, false))
		;
	store_set_ram(f->store, SEGMENT_BYTES);
	f->fake.fail_reads = true;
	store_set_ram(f->store, RAM_SEGMENTS * SEGMENT_BYTES);
	assert_int_equal(store_drain_one(f->store, &f->fake.base, false), 0); /* the one still in RAM */
	assert_int_equal(store_drain_one(f->store, &f->fake.base, false), -EIO);
	f->fake.fail_reads = false;
	store_set_ram(f->store, 0);
	assert_int_equal(store_drain_one(f->store, &f->fake.base, false), -ENOSPC);
	store_set_ram(f->store, RAM_SEGMENTS * SEGMENT_BYTES);
	while (!store_drain_one(f->store, &f->fake.base, false))
		store_check(f->store);
	assert_int_equal(store_drain_one(f->store, &f->fake.base, false), -ENOENT);
	assert_int_equal(f->fake.used, 0);
	for (unsigned int i = 0; i < 1300; i++)
		expect(f, i, RANDOM + 8 * i);
}

static void test_compact(void **state)
{
	struct fixture *f = *state;
	unsigned int used;

	for (unsigned int i = 0; i < 10 * 254; i++)
		put(f, i, RANDOM + 8 * i);
	seal(f);
	while (write_oldest(f, false))
		;
	used = f->fake.used;
	assert_int_equal(store_compact(f->store, f->cleaner, &f->fake.base), 0);
	for (unsigned int i = 0; i < 10 * 254; i++)
		if (i % 10)
			clear(f, i, 1);
	assert_int_equal(f->fake.used, used);
	while (store_compact(f->store, f->cleaner, &f->fake.base))
		store_check(f->store);
	assert_int_equal(f->fake.used, 0);
	for (unsigned int i = 0; i < 10 * 254; i += 10)
		expect(f, i, RANDOM + 8 * i);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_writeback),
		TEST(test_drain),
		TEST(test_compact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
