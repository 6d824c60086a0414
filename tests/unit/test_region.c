/* SPDX-License-Identifier: MIT */
/* Description: a list of regions after random changes is what a map with one entry a page says. */
#include <stdarg.h>
#include <setjmp.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "pager/attached/region.h"
#include "pattern.h"

#define PAGES 512u
#define PAGE  4096ull
#define BASE  0x7f0000000000ull

void *__real_realloc(void *pointer, size_t bytes);
void *__wrap_realloc(void *pointer, size_t bytes);

static bool no_memory;

void *__wrap_realloc(void *pointer, size_t bytes)
{
	return no_memory ? NULL : __real_realloc(pointer, bytes);
}

/* Which region each page is in (0: none). */
struct model {
	unsigned int of[PAGES];
	unsigned int last;
};

static uint64_t dice = 1;

static unsigned int roll(unsigned int sides)
{
	return (unsigned int)(random_next(&dice) >> 20) % sides;
}

static uint64_t at(unsigned int page)
{
	return BASE + page * PAGE;
}

static bool all_free(const struct model *model, unsigned int from, unsigned int to)
{
	for (; from < to; from++)
		if (model->of[from])
			return false;
	return true;
}

static void paint(struct model *model, unsigned int from, unsigned int to, unsigned int region)
{
	for (; from < to; from++)
		model->of[from] = region;
}

static void model_remove(struct model *model, unsigned int from, unsigned int to)
{
	unsigned int cut = model->of[from], after = to;

	/* What a cut leaves behind the hole is a region of its own. */
	if (cut && from && model->of[from - 1] == cut && to < PAGES && model->of[to] == cut) {
		model->last++;
		while (after < PAGES && model->of[after] == cut)
			model->of[after++] = model->last;
	}
	paint(model, from, to, 0);
}

static void assert_same(const struct region_list *list, const struct model *model)
{
	size_t count = 0;

	for (unsigned int page = 0, end; page < PAGES; page = end) {
		for (end = page + 1; end < PAGES && model->of[end] == model->of[page]; end++)
			;
		if (!model->of[page])
			continue;
		assert_true(count < list->count);
		assert_int_equal(list->items[count].start, at(page));
		assert_int_equal(list->items[count].end, at(end));
		count++;
	}
	assert_int_equal(list->count, count);
	assert_true(list->count <= list->capacity);
}

static void assert_found(const struct region_list *list, const struct model *model)
{
	for (unsigned int page = 0; page < PAGES; page++) {
		struct region *first = region_find(list, at(page));
		struct region *last = region_find(list, at(page) + PAGE - 1);

		assert_ptr_equal(first, last);
		assert_int_equal(first != NULL, model->of[page] != 0);
		if (first)
			assert_true(first->start <= at(page) && at(page) < first->end);
	}
	assert_null(region_find(list, at(0) - 1));
	assert_null(region_find(list, at(PAGES)));
}

static void assert_gap(const struct region_list *list, const struct model *model, unsigned int from,
		       unsigned int to)
{
	uint64_t start = 1, end = 2;
	bool found = region_gap(list, at(from), at(to), &start, &end);
	unsigned int last;

	while (from < to && model->of[from])
		from++;
	assert_int_equal(found, from < to);
	if (!found)
		return;
	for (last = from; last < to && !model->of[last]; last++)
		;
	assert_int_equal(start, at(from));
	assert_int_equal(end, at(last));
}

static void change(struct region_list *list, struct model *model, unsigned int from,
		   unsigned int to)
{
	switch (roll(4)) {
	case 0:
		if (!all_free(model, from, to))
			break;
		model->last++;
		assert_int_equal(region_add(list, at(from), at(to)), 0);
		paint(model, from, to, model->last);
		break;
	case 1:
		if (!all_free(model, from, to))
			break;
		assert_int_equal(region_grow(list, at(from), at(to)), 0);
		paint(model, from, to,
		      from && model->of[from - 1] ? model->of[from - 1] : ++model->last);
		break;
	case 2:
		assert_int_equal(region_remove(list, at(from), at(to)), 0);
		model_remove(model, from, to);
		break;
	default:
		assert_gap(list, model, from, to);
	}
}

static void test_random(void **state)
{
	static struct model model;

	for (unsigned int round = 0; round < 20; round++) {
		struct region_list list = {0};

		memset(&model, 0, sizeof(model));
		for (unsigned int step = 0; step < 2000; step++) {
			/* Short ranges make many regions, a long one now and then takes many out.
			 */
			unsigned int from = roll(PAGES);
			unsigned int most = roll(50) ? 8 : PAGES - from;
			unsigned int to =
				from + 1 + roll(most < PAGES - from ? most : PAGES - from);

			change(&list, &model, from, to);
			assert_same(&list, &model);
			if (step % 100 == 0)
				assert_found(&list, &model);
		}
		region_free(&list);
		assert_int_equal(list.count, 0);
		assert_null(list.items);
	}
}

/* Ranges that touch stay apart; one that grew does not. */
static void test_touching(void **state)
{
	struct region_list list = {0};

	assert_int_equal(region_add(&list, at(4), at(8)), 0);
	assert_int_equal(region_add(&list, at(2), at(4)), 0);
	assert_int_equal(list.count, 2);
	assert_int_equal(region_grow(&list, at(8), at(9)), 0);
	assert_int_equal(list.count, 2);
	assert_int_equal(list.items[1].end, at(9));
	/* Nothing ends there: a region of its own. */
	assert_int_equal(region_grow(&list, at(20), at(21)), 0);
	assert_int_equal(list.count, 3);
	region_free(&list);
}

/* Taking nothing out cuts nothing. */
static void test_empty_range(void **state)
{
	struct region_list list = {0};

	assert_int_equal(region_add(&list, at(0), at(8)), 0);
	assert_int_equal(region_remove(&list, at(0), at(0)), 0);
	assert_int_equal(region_remove(&list, at(4), at(4)), 0);
	assert_int_equal(region_remove(&list, at(8), at(8)), 0);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.items[0].start, at(0));
	assert_int_equal(list.items[0].end, at(8));
	region_free(&list);
}

static void test_copy(void **state)
{
	struct region_list empty = {0}, list = {0}, copy;

	assert_int_equal(region_copy(&copy, &empty), 0);
	assert_int_equal(copy.count, 0);
	assert_int_equal(region_add(&copy, at(0), at(1)), 0);
	assert_int_equal(region_add(&copy, at(2), at(3)), 0);
	region_free(&copy);
	for (unsigned int i = 0; i < 100; i++)
		assert_int_equal(region_add(&list, at(2 * i), at(2 * i + 1)), 0);
	assert_int_equal(region_copy(&copy, &list), 0);
	assert_int_equal(copy.count, 100);
	assert_memory_equal(copy.items, list.items, 100 * sizeof(*list.items));
	/* A copy has memory of its own. */
	assert_int_equal(region_remove(&list, at(0), at(200)), 0);
	assert_int_equal(copy.count, 100);
	assert_int_equal(copy.items[99].start, at(198));
	region_free(&copy);
	region_free(&list);
}

/* Without memory the list stays as it was. */
static void test_no_memory(void **state)
{
	struct region_list list = {0};
	size_t count;

	no_memory = true;
	assert_int_equal(region_add(&list, at(0), at(1)), -ENOMEM);
	assert_int_equal(list.count, 0);
	no_memory = false;
	do
		assert_int_equal(region_add(&list, at(4 * list.count), at(4 * list.count + 3)), 0);
	while (list.count < list.capacity);
	count = list.count;
	no_memory = true;
	assert_int_equal(region_add(&list, at(508), at(509)), -ENOMEM);
	assert_int_equal(region_grow(&list, at(508), at(509)), -ENOMEM);
	assert_int_equal(region_remove(&list, at(1), at(2)), -ENOMEM);
	assert_int_equal(list.count, count);
	for (unsigned int i = 0; i < count; i++) {
		assert_int_equal(list.items[i].start, at(4 * i));
		assert_int_equal(list.items[i].end, at(4 * i + 3));
	}
	/* Growing needs none. */
	assert_int_equal(region_grow(&list, at(3), at(4)), 0);
	no_memory = false;
	region_free(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),	    cmocka_unit_test(test_touching),
		cmocka_unit_test(test_empty_range), cmocka_unit_test(test_copy),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
