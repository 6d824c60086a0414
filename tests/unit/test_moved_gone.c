/* SPDX-License-Identifier: MIT */
/*
 * Description: what an UNMAP was read of, and what looks like it: where other mappings have come
 * since and moved on, theirs are the slots that move.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sched.h>
#include <sys/mman.h>
#include "moved_fixture.h"
#include "pager/attached/doubts.h"
#include "pager/attached/userfault.h"
#include "pager/changes/moved.h"

/* The UNMAP is applied while `other` is in flight: what it names waits in limbo. */
static void unmap_beside(struct call *unmap, struct call *other)
{
	struct uffd_msg unmapped;

	begin(unmap);
	unmapped = next_event();
	begin(other);
	wait_for_event();
	apply(&unmapped);
	assert_int_equal(attached->changes.limbo.count, 1);
}

/* What was at B is gone, though nothing shows it: A moved there, on, and at last the empty mapping
 * that it had left there. */
static void test_gone_and_left(void **state)
{
	struct call unmap = {.unmap = B, .bytes = BYTES}, other = {.from = E, .to = F};
	struct call moves[] = {
		{.from = A, .to = B}, {.from = B, .to = C, .leaves = true}, {.from = B, .to = D}};

	NEEDS_USERFAULT(state);
	map_area(A, 1);
	map_unseen(B, 2);
	map_area(E, 5);
	unmap_beside(&unmap, &other);
	for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
		begin(&moves[i]);
		end(&moves[i]);
	}
	end(&unmap);
	end(&other);
	check_area(C, 1);
	check_nothing(D);
	check_area(F, 5);
	assert_true(moved_settle(attached));
	assert_int_equal(attached_swapped_pages(attached), 2 * (PAGES - 1));
}

/* What was at B is gone, and fits what has come there since and moved on: better than its own
 * slots, since a page of that was dropped, and nobody told. */
static void test_gone_fits_better(void **state)
{
	struct call unmap = {.unmap = B, .bytes = BYTES}, other = {.from = E, .to = F};
	struct call there = {.from = A, .to = B}, on = {.from = B, .to = C};

	NEEDS_USERFAULT(state);
	map_area(A, 1);
	map_area(B, 2);
	map_area(E, 5);
	assert_int_equal(userfault_unmark(attached->task.userfault, A + 3 * PAGE_BYTES), 0);
	atomic_store(memory_bind(attached->memory, B + 3 * PAGE_BYTES), DESC_ABSENT);
	unmap_beside(&unmap, &other);
	begin(&there);
	end(&there);
	begin(&on);
	end(&on);
	end(&unmap);
	end(&other);
	check_area(C, 1);
	check_nothing(B);
}

/*
 * A came to where B had been, and has moved on to C; D has come to B by then, and looks the same:
 * so A seems to stand there still. What waits for its UNMAP fits where A is as well. `leaves`: A
 * has left a mapping where it was, and no UNMAP tells that it may have moved on.
 */
struct chance {
	struct call unmap, there, on, late;
	struct uffd_msg unmapped, moved;
};

static struct chance begin_chance(bool leaves)
{
	struct chance chance = {
		.unmap = {.unmap = B, .bytes = BYTES},
		.there = {.from = A, .to = B, .leaves = leaves},
		.on = {.from = B, .to = C},
		.late = {.from = D, .to = B},
	};

	map_area(A, 1);
	map_area(B, 2);
	map_area(D, 4);
	return chance;
}

static void come(struct chance *chance)
{
	struct uffd_msg came;

	begin(&chance->unmap);
	chance->unmapped = next_event();
	begin(&chance->there);
	came = next_event();
	apply_by(&came, ONE, LATE);
	end(&chance->there);
	check_area(B, 1);
}

static void move_on(struct chance *chance)
{
	begin(&chance->on);
	chance->moved = next_event();
	begin(&chance->late);
	while (!msync((void *)D, BYTES, MS_ASYNC))
		sched_yield(); /* until it is there */
	apply_by(&chance->moved, ONE, LATE);
	check_area(C, 1);
	end(&chance->on);
	end(&chance->late);
}

static void stand_by_chance(bool leaves)
{
	struct chance chance = begin_chance(leaves);

	come(&chance);
	move_on(&chance);
	apply(&chance.unmapped);
	end(&chance.unmap);
	check_area(C, 1);
	check_area(B, 4);
	assert_true(moved_settle(attached));
	assert_int_equal(attached_swapped_pages(attached), 2 * (PAGES - 1));
}

static void test_stands_by_chance(void **state)
{
	NEEDS_USERFAULT(state);
	stand_by_chance(false);
}

static void test_stands_and_left(void **state)
{
	NEEDS_USERFAULT(state);
	stand_by_chance(true);
}

/* It has told of itself. */
static void test_covered_and_gone(void **state)
{
	struct chance chance;

	NEEDS_USERFAULT(state);
	chance = begin_chance(true);
	come(&chance);
	apply(&chance.unmapped);
	end(&chance.unmap);
	check_area(B, 1);
	move_on(&chance);
	check_area(B, 4);
}

/* What is gone waits while anything is in flight, and no longer. */
static void test_gone(void **state)
{
	struct call unmap = {.unmap = A, .bytes = BYTES}, other = {.from = B, .to = C};

	NEEDS_USERFAULT(state);
	map_area(A, 1);
	map_area(B, 2);
	begin(&other);
	wait_for_event();
	begin(&unmap);
	for (int i = 0; i < 2; i++)
		read_and_apply();
	end(&unmap);
	end(&other);
	check_nothing(A);
	check_area(C, 2);
	assert_true(moved_settle(attached));
	assert_int_equal(attached->changes.limbo.count, 0);
	assert_int_equal(attached_swapped_pages(attached), PAGES - 1);
}

/*
 * A came to where C's mapping had been, moved on to D, and E came there. What C's left there is
 * told of by an UNMAP then, which says nothing of A.
 */
static void test_left_by_another(void **state)
{
	struct call before = {.from = B, .to = C}, there = {.from = A, .to = B};
	struct call on = {.from = B, .to = D}, last = {.from = E, .to = B};
	struct uffd_msg left, moved, came;

	NEEDS_USERFAULT(state);
	map_area(B, 3);
	map_area(A, 1);
	map_area(E, 5);
	begin(&before);
	read_and_apply();
	left = next_event();
	begin(&there);
	end(&there);
	end(&before);
	check_area(B, 1);
	begin(&on);
	moved = next_event();
	begin(&last);
	while (!msync((void *)E, BYTES, MS_ASYNC))
		sched_yield();
	came = next_event();
	if (came.event == UFFD_EVENT_UNMAP)
		came = next_event(); /* that was what `on` left: nothing of it matters here */
	apply(&came);
	apply(&left);
	apply(&moved);
	check_area(D, 1);
	end(&on);
	end(&last);
	check_area(B, 5);
	check_area(C, 3);
}

/* A covers what is longer, and grows to that length as it moves: all that was there is gone. */
static void test_grows_over(void **state)
{
	struct call call = {.from = A, .to = B, .grows = true};

	NEEDS_USERFAULT(state);
	map_area(A, 1);
	map_unseen(B, 2);
	map_unseen(B + BYTES, 3);
	begin(&call);
	end(&call);
	check_area(B, 1);
	check_nothing(B + BYTES);
}

/* Many that something else seems to contradict, each remembered as it was. */
static void test_many_in_doubt(void **state)
{
	const uint64_t places[] = {A, B, C, D};

	NEEDS_USERFAULT(state);
	for (unsigned int i = 0; i < 4; i++)
		map_area(places[i], i + 1);
	for (unsigned int i = 0; i < 4; i++)
		for (unsigned int from = 0; from < PAGES; from++)
			for (unsigned int to = PAGES; to > from; to--)
				assert_true(doubts_unmap(attached, places[i] + from * PAGE_BYTES,
							 places[i] + to * PAGE_BYTES));
	doubts_believe(attached, D + 3 * PAGE_BYTES, D + BYTES);
	assert_int_equal(*slot_at(D, 3), DESC_ABSENT);
	check_area(A, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_gone_and_left, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_fits_better, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stands_by_chance, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stands_and_left, setup, teardown),
		cmocka_unit_test_setup_teardown(test_covered_and_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_left_by_another, setup, teardown),
		cmocka_unit_test_setup_teardown(test_grows_over, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_in_doubt, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
