// SPDX-License-Identifier: MIT
/*
 * Description: a store that was in RAM alone gets a backend: what is in it leaves, as far as it is
 * moved first, and comes back as it was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include "store/private.h"
#include "store/segment.h"
#include "store_fixture.h"

/* As many as a store of RAM_SEGMENTS takes until there is no room. */
#define MOST 8000u

static unsigned int fill_up(struct fixture *f)
{
	unsigned int pages = 0;

	while (pages < MOST && !store_reserve(f->writer, 1)) {
		put_reserved(f, pages, HEAP + 8 * pages);
		store_published(f->writer);
		pages++;
	}
	return pages;
}

static void open_up(struct fixture *f, bool seals)
{
	f->fake.base.seals = seals;
	assert_int_equal(store_open_up(f->store, seals), 0);
}

/* Writes what may be written, and makes room by moving what may not, until nothing changes. */
static unsigned int push_out(struct fixture *f)
{
	unsigned int written = 0;

	do {
		while (write_oldest(f, false))
			written++;
	} while (store_clean(f->store, f->cleaner, false));
	return written;
}

static void expect_all(struct fixture *f, unsigned int pages)
{
	for (unsigned int i = 0; i < pages; i++)
		expect(f, i, HEAP + 8 * i);
}

static unsigned int count_old(struct fixture *f)
{
	unsigned int old = 0;

	for (uint32_t id = 1; id < f->store->segments_made; id++)
		old += segment_state(segment_of(f->store, id)) == SEGMENT_SEALED &&
		       segment_must_move(f->store, segment_of(f->store, id));
	return old;
}

static void check_full(struct fixture *f, bool seals)
{
	unsigned int pages = fill_up(f);

	assert_in_range(pages, 2000, MOST - 1);
	assert_int_equal(write_oldest(f, false), 0);
	open_up(f, seals);
	/* What RAM segments may take becomes a share of the budget. */
	store_set_ram(f->store, 4 * SEGMENT_BYTES);
	/* There is none yet that may leave. */
	assert_int_equal(write_oldest(f, false), 0);
	assert_true(push_out(f) >= RAM_SEGMENTS - 4);
	assert_int_equal(count_old(f), 0);
	store_check(f->store);
	expect_all(f, pages);
	assert_true(f->store->frames_used <= 4);
	assert_true(f->store->frames_moving <= 4 + CLEANER_FRAMES);
	/* And there is room for more, which is a log. */
	store_set_ram(f->store, RAM_SEGMENTS * SEGMENT_BYTES);
	store_writer_select(f->writer, STORE_ANY_TIER);
	for (unsigned int i = 0; i < 500; i++)
		put(f, pages + i, RANDOM + 8 * i);
	store_published(f->writer);
	seal(f);
	assert_false(segment_of(f->store, desc_segment(word_of(f, pages)))->in_place);
	push_out(f);
	for (unsigned int i = 0; i < 500; i++)
		expect(f, pages + i, RANDOM + 8 * i);
	expect_all(f, pages);
	clear(f, 0, pages + 500);
}

static void test_full(void **state)
{
	check_full(*state, false);
}

static void test_full_sealed(void **state)
{
	check_full(*state, true);
}

/* What the cleaner had packed has no room for tags: it is moved for a backend that seals alone. */
static void check_runs(struct fixture *f, bool seals)
{
	put_runs(f, 400);
	assert_false(desc_length(word_of(f, 100)));
	open_up(f, seals);
	seal_cleaned(f);
	if (!seals)
		assert_true(write_oldest(f, false));
	push_out(f);
	seal_cleaned(f);
	push_out(f);
	assert_int_equal(count_old(f), 0);
	store_check(f->store);
	for (unsigned int i = 0; i < 400; i++)
		expect(f, i, 4 + 8 * i);
	clear(f, 0, 400);
}

static void test_runs(void **state)
{
	check_runs(*state, false);
}

static void test_runs_sealed(void **state)
{
	check_runs(*state, true);
}

/* The cleaner finds itself in a log, in the middle of packing. */
static void test_packing_goes_on(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < 2000; i++)
		put(f, i, 4 + 8 * i);
	seal(f);
	store_clean(f->store, f->cleaner, true);
	open_up(f, true);
	for (int i = 0; i < 40; i++) {
		store_clean(f->store, f->cleaner, i % 2);
		store_check(f->store);
	}
	push_out(f);
	for (unsigned int i = 0; i < 2000; i++)
		expect(f, i, 4 + 8 * i);
	clear(f, 0, 2000);
}

/* One that seals may come to a log that did not. */
static void test_log_that_seals(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < 1500; i++)
		put(f, i, HEAP + 8 * i);
	open_up(f, true);
	seal(f);
	push_out(f);
	assert_int_equal(count_old(f), 0);
	expect_all(f, 1500);
	assert_int_equal(store_open_up(f->store, true), 0);
	clear(f, 0, 1500);
}

#define IN_PLACE(name) cmocka_unit_test_setup_teardown(name, setup_in_place, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_PLACE(test_full),
		IN_PLACE(test_full_sealed),
		IN_PLACE(test_runs),
		IN_PLACE(test_runs_sealed),
		IN_PLACE(test_packing_goes_on),
		cmocka_unit_test_setup_teardown(test_log_that_seals, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
