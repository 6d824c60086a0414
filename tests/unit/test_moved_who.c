/* SPDX-License-Identifier: MIT */
/*
 * Description: mappings that look alike are told apart by the thread that moves them, as far as it
 * can be seen who sleeps in which call.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sched.h>
#include <sys/mman.h>
#include "moved_fixture.h"
#include "pager/changes/who.h"

/* Reads the REMAP of a call, which may not be the next event. */
static struct uffd_msg remap_of(struct call *call)
{
	struct uffd_msg message;

	begin(call);
	do
		message = next_event();
	while (message.event != UFFD_EVENT_REMAP || message.arg.remap.from != call->from);
	return message;
}

/* A moves to B, which is not told; then D comes to A, and something moves from A to C: `last`. */
struct covered {
	struct call first, there, last;
	struct uffd_msg left, came, moved;
};

static struct covered begin_covered(void)
{
	struct covered covered = {.first = {.from = A, .to = B},
				  .there = {.from = D, .to = A},
				  .last = {.from = A, .to = C}};

	map_area(A, 1);
	map_area(D, 4);
	return covered;
}

static void move_all(struct covered *covered)
{
	covered->left = remap_of(&covered->first);
	covered->came = remap_of(&covered->there);
	covered->moved = remap_of(&covered->last);
}

static void end_calls(struct covered *covered)
{
	end(&covered->first);
	end(&covered->there);
	end(&covered->last);
	check_area(C, 4);
}

/* Who brought something there moves it on. */
static void test_moved_on(void **state)
{
	struct covered covered;

	NEEDS_USERFAULT(state);
	covered = begin_covered();
	move_all(&covered);
	apply_by(&covered.came, OTHER, LATE);
	apply_by(&covered.moved, OTHER, LATE);
	apply_by(&covered.left, ONE, LATE);
	end_calls(&covered);
	check_area(B, 1);
	check_nothing(A);
}

/* Nobody knows who moves it: what was covered. */
static void test_covered(void **state)
{
	struct covered covered;

	NEEDS_USERFAULT(state);
	covered = begin_covered();
	move_all(&covered);
	apply_by(&covered.came, 0, 0);
	apply_by(&covered.left, 0, 0);
	apply_by(&covered.moved, 0, 0);
	end_calls(&covered);
	check_area(B, 1);
	check_nothing(A);
}

/* The same, and what came there has sent all that it had to: it may have moved on. */
static void test_covered_by_one_that_is_through(void **state)
{
	struct covered covered;

	NEEDS_USERFAULT(state);
	covered = begin_covered();
	move_all(&covered);
	apply_by(&covered.came, 0, 0);
	attached->changes.moved.items[0].sent = true;
	attached->changes.callers.several = true;
	apply_by(&covered.left, 0, 0);
	apply_by(&covered.moved, 0, 0);
	end_calls(&covered);
	check_area(B, 1);
	check_nothing(A);
}

/* But one thread alone moves and unmaps: it cannot have covered what it has in flight. */
static void test_one_caller(void **state)
{
	struct covered covered;

	NEEDS_USERFAULT(state);
	covered = begin_covered();
	move_all(&covered);
	apply_by(&covered.came, 0, 0);
	attached->changes.moved.items[0].sent = true;
	attached->changes.callers.several = false;
	apply_by(&covered.moved, 0, 0);
	apply_by(&covered.left, 0, 0);
	end_calls(&covered);
	check_area(B, 1);
	check_nothing(A);
}

/* Who unmaps it sends no REMAP of it. */
static void test_unmapped(void **state)
{
	struct covered covered;

	NEEDS_USERFAULT(state);
	covered = begin_covered();
	covered.first = (struct call){.unmap = A, .bytes = BYTES};
	begin(&covered.first);
	covered.left = next_event();
	covered.came = remap_of(&covered.there);
	covered.moved = remap_of(&covered.last);
	apply_by(&covered.came, 0, 0);
	/* As if its event had been late. */
	attached->changes.callers.count = 1;
	attached->changes.callers.items[0] =
		(struct caller){.thread = ONE, .unmaps = true, .from = A, .end = A + BYTES};
	apply_by(&covered.moved, 0, 0);
	apply(&covered.left);
	end_calls(&covered);
	check_nothing(A);
}

/* Two wait: who called before anything came there moves the older. */
static void test_called_before(void **state)
{
	struct call last = {.from = E, .to = A};
	struct covered covered;
	struct uffd_msg came;

	NEEDS_USERFAULT(state);
	covered = begin_covered();
	map_area(E, 5);
	move_all(&covered);
	came = remap_of(&last);
	attached->changes.callers.look = EARLY;
	apply_by(&covered.came, 0, 0);
	attached->changes.callers.look = EARLY + 1;
	apply_by(&came, 0, 0);
	apply_by(&covered.left, ONE, EARLY);
	check_area(B, 1);
	apply_by(&covered.moved, OTHER, EARLY + 1);
	check_area(C, 4);
	end_calls(&covered);
	end(&last);
	check_area(A, 5);
}

/* A thread is seen in its call, once; of two that call with the same address neither is believed.
 */
static void test_seen(void **state)
{
	struct call call = {.from = A, .to = B}, other = {.from = C, .to = D};
	struct callers *callers = &attached->changes.callers;
	struct mover mover;

	NEEDS_USERFAULT(state);
	map_area(C, 3);
	map_area(A, 1);
	begin(&call);
	while (!callers->count)
		who_look(attached); /* until it sleeps */
	assert_int_equal(callers->items[0].from, A);
	assert_int_equal(callers->items[0].end, A + BYTES);
	mover = who_moves(attached, A);
	assert_int_equal(mover.thread, callers->items[0].thread);
	assert_int_equal(mover.since, callers->look);
	assert_int_equal(who_moves(attached, A).thread, 0);
	who_look(attached);
	assert_int_equal(who_moves(attached, A).thread, 0); /* the same call */
	callers->items[0].told = false;
	callers->items[1] = callers->items[0];
	callers->items[1].thread++;
	callers->count = 2;
	assert_int_equal(who_moves(attached, A).thread, 0);
	callers->count = 1;
	assert_int_equal(who_moves(attached, A).thread, 0);
	assert_false(callers->several);
	begin(&other);
	for (unsigned int i = 0; i < LATE && !callers->several; i++) {
		sched_yield();
		who_look(attached);
	}
	assert_true(callers->several);
	end(&call);
	end(&other);
	check_area(B, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_moved_on, setup, teardown),
		cmocka_unit_test_setup_teardown(test_covered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_covered_by_one_that_is_through, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_one_caller, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unmapped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_called_before, setup, teardown),
		cmocka_unit_test_setup_teardown(test_seen, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
