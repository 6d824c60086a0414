/* SPDX-License-Identifier: MIT */
/*
 * Description: what a missing page must hold is what its thread reads: faults and fills one by one,
 * over a userfaultfd and this process's own memory. What is given to a thread that sleeps in a
 * fault is looked at before it is woken.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include "attach/maps.h"
#include "base/kernel.h"
#include "fault_fixture.h"
#include "pager/attached/userfault.h"

#define SHADOW_MOST 512u

static bool is_memory(unsigned int page, unsigned int pages)
{
	return maps_written(attached->target.pagemap, address_of(page), pages);
}

static void mark(unsigned int page)
{
	assert_int_equal(userfault_mark(attached->task.userfault, address_of(page), 1), 0);
}

static void wake(unsigned int page)
{
	userfault_wake(attached->task.userfault, address_of(page), 1);
}

static bool install_guard(unsigned int page)
{
	return madvise(at(page), PAGE_BYTES, MADV_GUARD_INSTALL) == 0;
}

static enum fault_result fill_one(unsigned int page)
{
	enum fault_result result;
	unsigned int filled;

	lock_read(&attached->lock);
	result = fill_swapped(attached, buffers, address_of(page), 1, &filled);
	unlock_read(&attached->lock);
	assert_int_equal(filled, result == FAULT_DONE);
	return result;
}

static void test_first_touch(void **state)
{
	struct fixture *f = fixture_of(state);

	check_served(touch(0, false), 1, 0);
	assert_false(is_memory(0, 1));
	assert_int_equal(serve(touch(4, true)), FAULT_DONE);
	assert_true(is_memory(4, 1)); /* before it is written to */
	wake(4);
	assert_int_equal(join(), 0);
	/* The program has dropped it: what was kept of it is nobody's any more. */
	*slot_of(8) = desc_location(store_page(f, 8, HEAP)) | CAME_IN;
	check_served(touch(8, false), 1, 0);
	assert_int_equal(attached->count.resident_pages, 3);
	assert_int_equal(pager->figures.counters.pages_zeroed, 3);
}

/* As far as nothing is swapped; in memory if what came before was written to. */
static void test_first_touch_run(void **state)
{
	struct fixture *f = fixture_of(state);
	desc_t stored = store_page(f, 4, HEAP);

	check_served(touch(0, true), 1, 0);
	check_served(touch(1, false), 2, 0);
	assert_true(is_memory(1, 2));
	check(2, true, CAME_IN);
	check_served(touch(3, false), 1, 0);
	check(4, false, stored);

	expect_run(10, 2 * ZERO_RUN_READ);
	check_served(touch(10, false), ZERO_RUN_READ, 0);
}

static void test_swapped(void **state)
{
	struct fixture *f = fixture_of(state);
	unsigned int shadows = 0;

	for (unsigned int i = 0; i < 9; i++) {
		desc_t word = store_page(f, i * 2, i);

		if (!desc_length(word) || desc_length(word) > SHADOW_MOST) {
			check_served(touch(i * 2, false), 1, i);
			continue;
		}
		assert_int_equal(serve(touch(i * 2, false)), FAULT_DONE);
		check(i * 2, true, desc_location(word) | CAME_IN);
		wake(i * 2);
		check_read(i);
		shadows++;
	}
	assert_int_equal(shadows, 1);
	assert_int_equal(attached->count.resident_pages, 9);
	assert_int_equal(pager->figures.counters.pages_in, 9);
}

/* What is behind a page comes with it, as far as it is swapped, too, and in the same region. */
static void test_run(void **state)
{
	struct fixture *f = fixture_of(state);
	desc_t stored;

	for (unsigned int page = 0; page < 3; page++)
		store_page(f, page, RANDOM + 8 * page);
	expect_run(0, 4);
	check_served(touch(0, false), 3, RANDOM);
	check(2, true, CAME_IN);
	check(3, false, DESC_ABSENT);
	assert_true(pattern_matches(RANDOM + 16, at(2)));

	store_page(f, GROWN - 1, RANDOM);
	stored = store_page(f, GROWN, RANDOM);
	expect_run(GROWN - 1, 2);
	check_served(touch(GROWN - 1, false), 1, RANDOM);
	check(GROWN, false, stored);
}

/* Of a run that goes over what is not registered any more the first page comes alone. */
static void test_alone(void **state)
{
	struct fixture *f = fixture_of(state);
	int userfault = attached->task.userfault;
	desc_t stored;

	store_page(f, 4, RANDOM);
	stored = store_page(f, 5, RANDOM);
	for (unsigned int page = 0; page < 8; page += 4) {
		userfault_unregister(userfault, address_of(page + 1), PAGE_BYTES);
		expect_run(page, 2);
		check_served(touch(page, false), 1, page ? RANDOM : 0);
		check(page + 1, false, page ? stored : DESC_ABSENT);
	}
}

/* A word that says "marked": without the mark the page was dropped. */
static void test_marks(void **state)
{
	struct fixture *f = fixture_of(state);
	desc_t words[8];

	for (unsigned int page = 1; page < 8; page++) {
		words[page] = store_page(f, page, RANDOM) | (page != 6 ? DESC_MARKED : 0);
		*slot_of(page) = words[page];
	}
	for (unsigned int page = 0; page < 6; page += 5)
		mark(page);
	mark(1);
	check_served(touch(0, false), 1, 0); /* a mark that is left from before */
	expect_run(1, 2);
	check_served(touch(1, false), 1, RANDOM);
	check(2, false, words[2]);
	fetch(2);
	touch(2, false);
	assert_int_equal(fetched(), FAULT_DONE);
	check(2, true, CAME_IN);
	check_read(0);
	expect_run(3, 4);
	check_served(touch(3, false), 2, 0);
	check(4, true, CAME_IN);
	check(5, false, words[5]);
	expect_run(6, 2);
	check_served(touch(6, false), 1, RANDOM);
	check(7, false, words[7]);
}

static void test_leaving(void **state)
{
	struct fixture *f = fixture_of(state);
	struct batch *batch = &attached->batch;
	desc_t location = desc_location(store_page(f, 0, HEAP));
	struct fault fault;

	batch->count = 2;
	for (unsigned int i = 0; i < 3; i++)
		*slot_of(i) = (i ? 0 : location) | DESC_LEAVING;
	for (unsigned int i = 0; i < 2; i++)
		batch->slot[i] = slot_of(i);
	batch->moved[0] = true;
	pattern_fill(RANDOM, batch->bytes);

	batch->state = BATCH_MOVING;
	fault = touch(0, false);
	assert_int_equal(serve(fault), FAULT_LEAVING);
	check(0, false, location | DESC_LEAVING);
	batch->state = BATCH_READ;
	assert_int_equal(serve(fault), FAULT_DONE);
	check(0, true, location | CAME_IN | 1ull << DESC_AGE_SHIFT);
	wake(0);
	check_read(RANDOM);

	/* One that stayed: the evictor says so. One that is not in the batch. */
	fault = touch(1, false);
	put_page(1, HEAP);
	assert_int_equal(serve(fault), FAULT_DONE);
	check(1, true, DESC_LEAVING);
	check_read(HEAP);
	assert_int_equal(serve(fault_at(2, false)), FAULT_CHANGING);
	check(2, false, DESC_LEAVING);
}

static void *drop_one(void *argument)
{
	madvise(at(20), PAGE_BYTES, MADV_DONTNEED);
	return NULL;
}

/* All that can be installed; `words` is what stands there then. */
static void check_all(enum fault_result expected, const desc_t words[6])
{
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(serve(fault_at(i * 3, i == 1)), expected);
	assert_int_equal(fetched(), expected);
	assert_int_equal(serve_growth(GROWN), expected);
	for (unsigned int i = 0; i < 6; i++)
		check(i * 3, expected == FAULT_DONE, words[i]);
	assert_true((expected == FAULT_DONE) ==
		    !!region_find(&attached->regions, address_of(GROWN)));
}

/* Nothing comes in, and no word changes, while an event is in flight. */
static void test_changing(void **state)
{
	struct fixture *f = fixture_of(state);
	struct pollfd wait = {.fd = attached->task.userfault, .events = POLLIN};
	desc_t before[6] = {[4] = DESC_LEAVING};
	desc_t after[6] = {CAME_IN, CAME_IN, CAME_IN, CAME_IN, CAME_IN | 1ull << DESC_AGE_SHIFT,
			   CAME_IN};
	pthread_t thread;

	before[2] = store_page(f, 6, RANDOM);
	before[3] = store_page(f, 9, RANDOM) | DESC_MARKED; /* dropped */
	before[5] = store_page(f, 15, RANDOM);
	fetch(15);
	*slot_of(9) = before[3];
	*slot_of(12) = DESC_LEAVING;
	attached->batch.state = BATCH_READ;
	attached->batch.slot[0] = slot_of(12);
	attached->batch.count = 1;
	attached->batch.moved[0] = true;
	assert_int_equal(pthread_create(&thread, NULL, drop_one, NULL), 0);
	assert_int_equal(poll(&wait, 1, -1), 1);
	assert_int_equal(lost(true), FAULT_CHANGING);
	*slot_of(24) = DESC_BAD;
	assert_int_equal(serve(fault_at(24, false)), FAULT_CHANGING);
	check_all(FAULT_CHANGING, before);
	assert_int_equal(next_event(), UFFD_EVENT_REMOVE);
	pthread_join(thread, NULL);
	check_all(FAULT_DONE, after);
}

/* Somebody's page is there by now: it stays, and who waits for it is woken. */
static void test_there_already(void **state)
{
	struct fixture *f = fixture_of(state);
	desc_t words[4] = {DESC_ABSENT, CAME_IN, DESC_BAD};

	store_page(f, 4, RANDOM);
	*slot_of(8) = DESC_BAD;
	words[3] = store_page(f, 12, RANDOM);
	fetch(12);
	for (unsigned int i = 0; i < 4; i++) {
		struct fault fault = touch(i * 4, false);

		put_page(i * 4, HEAP);
		assert_int_equal(i < 3 ? serve(fault) : lost(false), FAULT_DONE);
		check(i * 4, true, words[i]);
		check_read(HEAP);
	}
	assert_int_equal(pager->figures.counters.anomalies, 1);
	assert_int_equal(attached->count.resident_pages, 0);
}

/* The program's guards stay, though no event tells of them: beside a page, and in its place. */
static void test_guards(void **state)
{
	struct fixture *f = fixture_of(state);
	struct fault fault;
	desc_t stored;

	store_page(f, 4, RANDOM);
	stored = store_page(f, 5, RANDOM);
	fetch(5);
	if (!install_guard(1) || !install_guard(5))
		skip(); /* before Linux 6.13 */
	for (unsigned int page = 0; page < 8; page += 4) {
		expect_run(page, 2);
		assert_int_equal(serve(touch(page, !page)), FAULT_DONE);
		check(page + 1, false, page ? stored : DESC_ABSENT);
		wake(page);
		assert_int_equal(join(), 0);
	}
	assert_int_equal(fetched(), FAULT_DONE);
	check(5, false, CAME_IN);
	start(5);
	assert_int_equal(join(), SIGSEGV);

	fault = touch(8, false);
	assert_true(install_guard(8));
	assert_int_equal(serve(fault), FAULT_DONE);
	check(8, false, DESC_ABSENT);
	assert_int_equal(join(), SIGSEGV);
}

static void test_fetched(void **state)
{
	struct fixture *f = fixture_of(state);
	desc_t stored = store_page(f, 0, RANDOM);

	touch(0, false);
	fetch(0);
	seal(f);
	assert_true(write_oldest(f, false) != 0);
	assert_int_equal(fill_one(0), FAULT_DEVICE);
	check(0, false, stored);
	assert_int_equal(fetched(), FAULT_DONE);
	check(0, true, CAME_IN);
	check_read(RANDOM);
}

/* While the slot is busy, when the region is gone, when the word is another: nothing. */
static void test_fetched_late(void **state)
{
	struct fixture *f = fixture_of(state);
	desc_t stored = store_page(f, 4, RANDOM);

	touch(4, false);
	fetch(4);
	slot_lock(slot_of(4));
	assert_int_equal(fetched(), FAULT_CHANGING);
	slot_unlock(slot_of(4), stored);
	region_remove(&attached->regions, address_of(4), address_of(5));
	assert_int_equal(fetched(), FAULT_DONE);
	check(4, false, stored);
	next_fault(); /* it was woken */
	region_add(&attached->regions, address_of(4), address_of(5));
	stored = store_page(f, 4, RANDOM + 8);
	assert_int_equal(fetched(), FAULT_DONE);
	check(4, false, stored);
	check_served(next_fault(), 1, RANDOM + 8);
}

static void test_lost(void **state)
{
	struct fixture *f = fixture_of(state);

	/* Given up, not given up, not given up with a mark. */
	for (unsigned int page = 0; page < 3; page++) {
		desc_t stored = store_page(f, page, RANDOM);

		*slot_of(page) = stored | (page == 2 ? DESC_MARKED : 0);
		fetch(page);
		touch(page, false);
		if (page == 2)
			mark(page);
		assert_int_equal(lost(!page), FAULT_DONE);
		check(page, false, page ? stored : (desc_t)DESC_BAD);
		assert_int_equal(join(), SIGBUS);
	}
	for (unsigned int page = 1; page < 3; page++) {
		assert_int_equal(fill_one(page), FAULT_DONE);
		assert_true(pattern_matches(RANDOM, at(page)));
	}
	/* What the program has dropped is not lost. */
	*slot_of(4) = store_page(f, 4, RANDOM) | DESC_MARKED;
	fetch(4);
	assert_int_equal(lost(true), FAULT_DONE);
	check(4, true, CAME_IN);
	assert_true(pattern_matches(0, at(4)));

	*slot_of(8) = DESC_BAD;
	assert_int_equal(serve(touch(8, false)), FAULT_DONE);
	assert_int_equal(join(), SIGBUS);
}

/* The region grows only by what the kernel took. */
static void test_growth(void **state)
{
	struct fixture *f = fixture_of(state);
	desc_t stored = store_page(f, GROWN + 1, HEAP);

	store_page(f, GROWN, HEAP); /* of something that was there before */
	touch(GROWN + 1, false);
	put_page(GROWN + 1, HEAP);
	assert_int_equal(serve_growth(GROWN + 1), FAULT_DONE);
	assert_int_equal(join(), 0);
	touch(GROWN, false);
	assert_int_equal(serve_growth(GROWN), FAULT_DONE);
	check_read(0);
	check(GROWN, true, CAME_IN);
	check(GROWN + 1, true, stored);
	assert_non_null(region_find(&attached->regions, address_of(GROWN)));
	assert_null(region_find(&attached->regions, address_of(GROWN + 1)));
}

/* Who has waited for long is served all the same. */
static void test_brake(void **state)
{
	struct fixture *f = fixture_of(state);
	desc_t stored = store_page(f, 4, RANDOM);

	pager->budget.brake_pages = 1;
	pager->budget.resident_pages = 2;
	for (unsigned int page = 0; page < 8; page += 4) {
		struct fault fault = fault_at(page, true);

		assert_int_equal(serve(fault), FAULT_BRAKED);
		check(page, false, page ? stored : DESC_ABSENT);
		fault.overdue = true;
		assert_int_equal(serve(fault), FAULT_DONE);
		check(page, true, CAME_IN);
	}
	pager->budget.brake_pages = INT64_MAX;
	attached->serve.held = true;
	assert_int_equal(serve(fault_at(8, true)), FAULT_BRAKED);
}

static void test_refused(void **state)
{
	fixture_of(state);
	assert_int_equal(fill_refused(attached, address_of(0), -EAGAIN), FAULT_CHANGING);
	assert_int_equal(fill_refused(attached, address_of(0), -ENOMEM), FAULT_BRAKED);
	assert_int_equal(fill_refused(attached, address_of(0), -ENOSPC), FAULT_BRAKED);
	touch(0, false);
	assert_int_equal(fill_refused(attached, address_of(0), -ENOENT), FAULT_DONE);
	next_fault(); /* it was woken */
	assert_false(attached->task.dead);
	assert_int_equal(fill_refused(attached, address_of(0), -ESRCH), FAULT_DONE);
	assert_true(attached->task.dead);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_first_touch), TEST(test_first_touch_run), TEST(test_swapped),
		TEST(test_run),		TEST(test_alone),	    TEST(test_marks),
		TEST(test_leaving),	TEST(test_changing),	    TEST(test_there_already),
		TEST(test_guards),	TEST(test_fetched),	    TEST(test_fetched_late),
		TEST(test_lost),	TEST(test_growth),	    TEST(test_brake),
		TEST(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
