/* SPDX-License-Identifier: MIT */
/* Description: faults that are put aside are kept once for each page, as many as there are. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "pager/faults/aside.h"

#define PAGE 4096ull

static struct fault fault_at(uint64_t number)
{
	return (struct fault){.address = (number + 1) * PAGE, .since = number};
}

static void put_all(struct aside *aside, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		struct fault fault = fault_at(i), again = fault_at(i / 2), *kept;

		kept = aside_put(aside, &fault);
		assert_non_null(kept);
		assert_int_equal(kept->since, i);
		again.write = true;
		kept = aside_put(aside, &again);
		assert_int_equal(kept->since, i / 2);
		assert_true(kept->write);
		assert_int_equal(aside->count, i + 1);
	}
}

static void test_once_each(void **state)
{
	struct aside *aside = calloc(1, sizeof(*aside));
	struct fault more = fault_at(ASIDE);

	for (unsigned int pass = 0; pass < 3; pass++) {
		put_all(aside, ASIDE);
		assert_null(aside_put(aside, &more));
		assert_int_equal(aside_take(aside), ASIDE);
		put_all(aside, 40);
		assert_int_equal(aside_take(aside), 40);
	}
	free(aside);
}

/* While they are tried, those that wait on go to the front. */
static void test_put_again(void **state)
{
	struct aside *aside = calloc(1, sizeof(*aside));
	unsigned int count;

	put_all(aside, 1000);
	count = aside_take(aside);
	for (unsigned int i = 0; i < count; i++) {
		struct fault fault = aside->items[i];

		assert_int_equal(fault.since, i);
		if (i % 3)
			assert_non_null(aside_put(aside, &fault));
	}
	assert_int_equal(aside->count, 666);
	for (unsigned int i = 0; i < aside->count; i++)
		assert_int_equal(aside->items[i].since, i + i / 2 + 1);
	free(aside);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_once_each),
		cmocka_unit_test(test_put_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
