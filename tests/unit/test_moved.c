/* SPDX-License-Identifier: MIT */
/*
 * Description: events about memory that moves, drops and is unmapped, in the orders in which two
 * threads may send them: slots go where their pages are.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "moved_fixture.h"
#include "pager/attached/doubts.h"
#include "pager/changes/moved.h"

static void test_move(void **state)
{
	struct call move = {.from = A, .to = B};

	NEEDS_USERFAULT(state);
	map_area(A, 1);
	begin(&move);
	read_and_apply();
	end(&move);
	check_area(B, 1);
	check_nothing(A);
	assert_true(moved_settle(attached));
	check_area(B, 1);
}

/* B was unmapped before A moved there, and its event is applied last. */
static void test_overtaken(void **state)
{
	struct call unmap = {.unmap = B, .bytes = BYTES}, move = {.from = A, .to = B};
	struct uffd_msg unmapped, moved;

	NEEDS_USERFAULT(state);
	map_area(A, 1);
	map_area(B, 2);
	begin(&unmap);
	unmapped = next_event();
	begin(&move);
	moved = next_event();
	apply(&moved);
	check_area(B, 1);
	apply(&unmapped);
	end(&unmap);
	end(&move);
	check_area(B, 1);
	check_nothing(A);
	assert_true(moved_settle(attached));
	check_area(B, 1);
	assert_int_equal(attached_swapped_pages(attached), PAGES - 1);
}

/* The second happens after the first, and is told of before. */
static void tell_turned(struct call *first, struct call *second)
{
	struct uffd_msg one, two, left = {0};

	begin(first);
	one = next_event();
	begin(second);
	two = next_event();
	/* What the first has left may be told of before. */
	if (two.event == UFFD_EVENT_UNMAP) {
		left = two;
		two = next_event();
	}
	apply(&two);
	apply(&one);
	if (left.event)
		apply(&left);
	end(first);
	end(second);
}

/* A moved to B, and then C to A. */
static void test_row(void **state)
{
	struct call first = {.from = A, .to = B}, second = {.from = C, .to = A};

	NEEDS_USERFAULT(state);
	map_area(A, 1);
	map_area(C, 3);
	tell_turned(&first, &second);
	check_area(A, 3);
	check_area(B, 1);
	check_nothing(C);
}

/* A moved to B, and then C to where its second half was, and on behind it. */
static void test_row_partly(void **state)
{
	struct call first = {.from = A, .to = B}, second = {.from = C, .to = A + BYTES / 2};

	NEEDS_USERFAULT(state);
	map_area(A, 1);
	map_area(C, 3);
	tell_turned(&first, &second);
	check_area(A + BYTES / 2, 3);
	check_area(B, 1);
	check_nothing(C);
	assert_true(moved_settle(attached));
	check_area(A + BYTES / 2, 3);
	check_area(B, 1);
	assert_int_equal(attached_swapped_pages(attached), 2 * (PAGES - 1));
}

/* A had grown before it moved to B, and then C moved to where it had grown. */
static void test_row_grown(void **state)
{
	struct call first = {.from = A, .to = B, .grown = true};
	struct call second = {.from = C, .to = A + BYTES};

	NEEDS_USERFAULT(state);
	map_grown(A, 1);
	map_area(C, 3);
	tell_turned(&first, &second);
	check_area(A + BYTES, 3);
	check_area(B, 1);
	check_nothing(B + BYTES);
	check_nothing(C);
	assert_true(moved_settle(attached));
	check_area(A + BYTES, 3);
}

/* The same, and the page table shows nothing of what was at C. */
static void test_row_unseen(void **state)
{
	struct call first = {.from = A, .to = B, .grown = true};
	struct call second = {.from = C, .to = A + BYTES};

	NEEDS_USERFAULT(state);
	map_grown(A, 1);
	map_unseen(C, 3);
	tell_turned(&first, &second);
	check_area(B, 1);
	check_nothing(B + BYTES);
	assert_true(*slot_at(A + BYTES, 0) == (word_of(3, 1) & ~DESC_MARKED));
}

/* The kernel tells of it all the same. */
static void test_refused(void **state)
{
	struct call unmap = {.unmap = A, .bytes = BYTES + PAGE_BYTES, .refused = true};

	NEEDS_USERFAULT(state);
	map_area(A, 1);
	seal_behind(A);
	begin(&unmap);
	read_and_apply();
	end(&unmap);
	check_area(A, 1);
	assert_true(moved_settle(attached));
	check_area(A, 1);
}

/* Before anybody looks, the mapping has moved on. */
static void refuse_and_move(struct call *call)
{
	struct uffd_msg unmapped;

	begin(call);
	unmapped = next_event();
	wait_for_event();
	apply(&unmapped);
	check_nothing(call->from);
	read_and_apply();
	end(call);
}

/* ... and its thread moves the mapping on before anybody looks. */
static void test_refused_then_moved(void **state)
{
	struct call call = {
		.unmap = B, .bytes = BYTES + PAGE_BYTES, .refused = true, .from = B, .to = C};

	NEEDS_USERFAULT(state);
	map_area(B, 2);
	seal_behind(B);
	refuse_and_move(&call);
	check_area(C, 2);
	assert_true(moved_settle(attached));
	check_area(C, 2);
}

/* What was refused to be unmapped had grown; only what we know of waits. */
static void test_refused_grown(void **state)
{
	struct call call = {.unmap = E,
			    .bytes = 2 * BYTES + PAGE_BYTES,
			    .refused = true,
			    .from = E,
			    .to = C,
			    .grown = true};

	NEEDS_USERFAULT(state);
	map_grown(E, 2);
	seal_behind(E + BYTES);
	refuse_and_move(&call);
	check_area(C, 2);
	check_nothing(C + BYTES);
}

/* Nothing shows that it has moved, and nothing else can have. */
static void test_refused_unseen(void **state)
{
	struct call call = {
		.unmap = D, .bytes = BYTES + PAGE_BYTES, .refused = true, .from = D, .to = C};

	NEEDS_USERFAULT(state);
	map_unseen(D, 2);
	seal_behind(D);
	refuse_and_move(&call);
	assert_true(*slot_at(C, 0) == (word_of(2, 1) & ~DESC_MARKED));
}

/* Told before it happens: the marks show afterwards what went. */
static void test_drop(void **state)
{
	struct call drop = {.from = A, .bytes = BYTES, .drop = true};

	NEEDS_USERFAULT(state);
	map_area(A, 1);
	begin(&drop);
	read_and_apply();
	end(&drop);
	assert_int_equal(attached_swapped_pages(attached), PAGES - 1);
	doubts_settle(attached, true);
	assert_non_null(region_find(&attached->regions, A));
	assert_int_equal(attached_swapped_pages(attached), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_move, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overtaken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_row, setup, teardown),
		cmocka_unit_test_setup_teardown(test_row_partly, setup, teardown),
		cmocka_unit_test_setup_teardown(test_row_grown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_row_unseen, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_then_moved, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_grown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_unseen, setup, teardown),
		cmocka_unit_test_setup_teardown(test_drop, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
