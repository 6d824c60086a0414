/* SPDX-License-Identifier: MIT */
/* Description: the tree of groups: names, who may enter with which settings, limits, weights. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "pager/limits/group.h"
#include "pager/attached/protocol.h"

#define MIB	  (1ull << 20)
#define MIB_PAGES (1ll << (20 - PAGE_SHIFT))

static struct groups groups;
static char message[MESSAGE_BYTES];

static int setup(void **state)
{
	memset(&groups, 0, sizeof(groups));
	return 0;
}

static int teardown(void **state)
{
	groups_free(&groups);
	return 0;
}

static struct group_settings named(const char *name)
{
	struct group_settings settings = {0};

	snprintf(settings.name, sizeof(settings.name), "%s", name);
	return settings;
}

static int enter_with(struct group *parent, const struct group_settings *settings, uint16_t tiers,
		      struct group **group)
{
	int error;

	message[0] = '\0';
	error = groups_enter(&groups, parent, settings, tiers, group, message);
	assert_int_equal(error != 0, message[0] != '\0');
	return error;
}

/* As if a process had entered it. */
static struct group *enter(struct group *parent, const char *name, uint64_t limit,
			   unsigned int weight)
{
	struct group_settings settings = named(name);
	struct group *group = NULL;

	settings.has_limit = limit != 0;
	settings.limit_bytes = limit;
	settings.weight = weight;
	assert_int_equal(enter_with(parent, &settings, UINT16_MAX, &group), 0);
	group->processes++;
	return group;
}

static void test_names(void **state)
{
	static const char *const good[] = {"a", "tests", "A-1_b.c", "0",
					   "abcdefghijklmnopqrstuvwxyz01234"};
	static const char *const bad[] = {
		"",    "-a",  ".",	  "..",	 "a/b", "/",
		"a b", "a\n", "\xc3\xa4", "a,b", "\"",	"abcdefghijklmnopqrstuvwxyz012345"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(group_check_name(good[i], message), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(group_check_name(bad[i], message), -EINVAL);
	assert_int_equal(group_check_weight(1, message), 0);
	assert_int_equal(group_check_weight(10000, message), 0);
	assert_int_equal(group_check_weight(0, message), -EINVAL);
	assert_int_equal(group_check_weight(10001, message), -EINVAL);
	assert_int_equal(group_check_limit(4 * MIB, message), 0);
	assert_int_equal(group_check_limit(4 * MIB - 1, message), -EINVAL);
}

static void test_paths(void **state)
{
	struct group *outer = enter(NULL, "outer", 0, 0), *inner = enter(outer, "inner", 0, 0);
	struct group *other = enter(NULL, "inner", 0, 0), *same = enter(outer, "outer", 0, 0);
	char path[GROUP_PATH];

	assert_string_equal(group_path(NULL, path), "");
	assert_string_equal(group_path(outer, path), "outer");
	assert_string_equal(group_path(inner, path), "outer/inner");
	assert_ptr_equal(groups_find(&groups, "outer"), outer);
	assert_ptr_equal(groups_find(&groups, "outer/inner"), inner);
	assert_ptr_equal(groups_find(&groups, "inner"), other);
	assert_ptr_equal(groups_find(&groups, "outer/outer"), same);
	assert_ptr_equal(enter(outer, "inner", 0, 0), inner);
	assert_null(groups_find(&groups, ""));
	assert_null(groups_find(&groups, "/"));
	assert_null(groups_find(&groups, "oute"));
	assert_null(groups_find(&groups, "outer/"));
	assert_null(groups_find(&groups, "/outer"));
	assert_null(groups_find(&groups, "outer//inner"));
	assert_null(groups_find(&groups, "outer/inner/more"));
}

static void test_too_deep_and_too_many(void **state)
{
	struct group_settings settings = named("abcdefghijklmnopqrstuvwxyz01234");
	struct group *group = NULL;
	char path[GROUP_PATH];

	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(enter_with(group, &settings, 0, &group), 0);
	assert_int_equal(enter_with(group, &settings, 0, &group), 0);
	assert_int_equal(strlen(group_path(group, path)), GROUP_PATH - 1);
	settings = named("x");
	assert_int_equal(enter_with(group, &settings, 0, &group), -ENOSPC);
	for (unsigned int i = 0; i < GROUPS - 4; i++) {
		snprintf(settings.name, sizeof(settings.name), "g%u", i);
		assert_int_equal(enter_with(NULL, &settings, 0, &group), 0);
	}
	settings = named("more");
	assert_int_equal(enter_with(NULL, &settings, 0, &group), -ENOSPC);
	settings = named("g7");
	assert_int_equal(enter_with(NULL, &settings, 0, &group), 0);
}

/* A name that is taken: without settings, or with the same ones, it is entered. */
static void test_taken(void **state)
{
	struct group *group = enter(NULL, "a", 16 * MIB, 200), *again = NULL;
	struct group_settings settings = named("a");

	assert_ptr_equal(enter(NULL, "a", 0, 0), group);
	assert_ptr_equal(enter(NULL, "a", 16 * MIB, 0), group);
	assert_ptr_equal(enter(NULL, "a", 0, 200), group);
	settings.weight = 100;
	assert_int_equal(enter_with(NULL, &settings, UINT16_MAX, &again), -EBUSY);
	settings = named("a");
	settings.has_limit = true;
	settings.limit_bytes = 17 * MIB;
	assert_int_equal(enter_with(NULL, &settings, UINT16_MAX, &again), -EBUSY);
	settings = named("a");
	strcpy(settings.tiers, "ram");
	assert_int_equal(enter_with(NULL, &settings, 0, &again), -EBUSY);
	assert_int_equal(enter_with(NULL, &settings, UINT16_MAX, &again), 0);
	assert_int_equal(group->limit_bytes, 16 * MIB);
	assert_int_equal(group->weight, 200);
	assert_int_equal(groups.count, 1);
}

/* One that has ended keeps its counters and takes what it is given anew. */
static void test_used_again(void **state)
{
	struct group *group = enter(NULL, "a", 16 * MIB, 200);
	struct group_settings settings = named("a");

	group_count_fault(group);
	group->processes = 0;
	strcpy(settings.tiers, "ram");
	assert_int_equal(enter_with(NULL, &settings, 0, &group), 0);
	assert_int_equal(group->limit_bytes, UINT64_MAX);
	assert_int_equal(group->weight, GROUP_WEIGHT);
	assert_int_equal(group->tiers, 0);
	assert_int_equal(group->faults, 1);
	assert_int_equal(groups.count, 1);
}

static void test_limits(void **state)
{
	struct group *outer = enter(NULL, "outer", 64 * MIB, 0);
	struct group *inner = enter(outer, "inner", 16 * MIB, 0);
	struct group *free = enter(outer, "free", 0, 0);

	assert_false(group_is_over(NULL));
	assert_false(group_must_brake(NULL));
	assert_int_equal(group_tightest(NULL), UINT64_MAX);
	assert_int_equal(group_until_near(NULL), UINT64_MAX);
	assert_int_equal(inner->brake_pages, 16 * MIB_PAGES);
	assert_in_range(inner->brake_pages - inner->target_pages, 64, 2048);
	assert_int_equal(free->target_pages, INT64_MAX);
	assert_int_equal(group_tightest(inner), 16 * MIB);
	assert_int_equal(group_tightest(free), 64 * MIB);

	group_count_pages(inner, 14 * MIB_PAGES);
	assert_int_equal(outer->resident_pages, 14 * MIB_PAGES);
	assert_int_equal(free->resident_pages, 0);
	assert_in_range(group_until_near(inner), 1, MIB);
	group_count_pages(inner, 2 * MIB_PAGES);
	assert_int_equal(group_until_near(inner), 0);
	assert_true(group_is_over(inner));
	assert_false(group_must_brake(inner));
	group_count_pages(inner, 1);
	assert_true(group_must_brake(inner));
	/* Nobody else is held for it. */
	assert_false(group_is_over(outer));
	assert_false(group_is_over(free));
	/* But what is in all of it counts for both. */
	group_count_pages(free, 48 * MIB_PAGES);
	assert_true(group_must_brake(free));
	group_count_pages(inner, -16 * MIB_PAGES);
	assert_false(group_is_over(inner));
	assert_false(group_is_over(outer));
}

/* A limit changes; those that can lose pages keep half of what others leave. */
static void test_changed(void **state)
{
	struct group *group = enter(NULL, "a", 64 * MIB, 0);
	struct group_settings settings = named("a");

	group_count_pages(group, 40 * MIB_PAGES);
	assert_false(group_is_over(group));
	settings.has_limit = true;
	settings.limit_bytes = 32 * MIB;
	group_change(group, &settings);
	assert_true(group_must_brake(group));
	settings.limit_bytes = 0;
	group_change(group, &settings);
	assert_int_equal(group_tightest(group), UINT64_MAX);
	assert_false(group_is_over(group));
	settings = named("a");
	settings.weight = 7;
	group_change(group, &settings);
	assert_int_equal(group->weight, 7);
	assert_int_equal(group->limit_bytes, UINT64_MAX);
	group->fixed_pages = 24 * MIB_PAGES;
	settings.has_limit = true;
	settings.limit_bytes = 32 * MIB;
	group_change(group, &settings);
	assert_int_equal(group->brake_pages, (24 + 16) * MIB_PAGES);
}

/* How many of 1200 laps of the clock each takes. */
static void count_turns(struct group *const *of, unsigned int count, unsigned int *turns)
{
	double credits[4] = {0}, highest = 0;

	for (unsigned int i = 0; i < count; i++)
		if (group_share(of[i]) > highest)
			highest = group_share(of[i]);
	for (unsigned int lap = 0; lap < 1200; lap++)
		for (unsigned int i = 0; i < count; i++)
			turns[i] += group_turn(&credits[i], group_share(of[i]), highest);
}

static void test_weights(void **state)
{
	struct group *light = enter(NULL, "light", 0, 50), *heavy = enter(NULL, "heavy", 0, 200);
	struct group *inner = enter(heavy, "inner", 0, 300);
	struct group *of[4] = {NULL, light, heavy, inner};
	unsigned int turns[4] = {0}, alone = 0;

	count_turns(of, 4, turns);
	assert_int_equal(turns[1], 1200);
	assert_in_range(turns[0], 599, 600);
	assert_in_range(turns[2], 299, 300);
	assert_in_range(turns[3], 99, 100);
	/* Who is alone has every turn, whatever it weighs. */
	count_turns(&inner, 1, &alone);
	assert_int_equal(alone, 1200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_paths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_deep_and_too_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_used_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_weights, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
