/* SPDX-License-Identifier: MIT */
/* Description: a slot that a child shares is changed by nobody when there is no room for a copy. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "pager/attached/state.h"

static unsigned int said;

static void no_drop(void *argument, desc_t word)
{
}

static void say(void *argument, const char *line)
{
	said++;
}

static void test_no_room(void **state)
{
	struct pager *pager = calloc(1, sizeof(*pager));
	struct attached *attached = calloc(1, sizeof(*attached));
	struct memory *child;

	assert_non_null(pager);
	assert_non_null(attached);
	pager->config.say = say;
	attached->pager = pager;
	attached->task.pidfd = -1;
	assert_int_equal(space_open(&attached->space, 1, no_drop, NULL), 0);
	assert_int_equal(memory_open(&attached->memory, attached->space), 0);
	assert_int_equal(memory_open(&child, attached->space), 0);

	assert_true(attached_lock_private(attached, 0)); /* nothing is there, nothing to share */
	unlock_read(&attached->lock);
	atomic_store(memory_bind(attached->memory, 0), DESC_ZERO);
	memory_fork(attached->memory, child);
	assert_false(attached->task.dead);
	assert_false(attached_lock_private(attached, 0));
	assert_true(attached->task.dead);
	assert_int_equal(said, 1);
	assert_true(lock_try_read(&attached->lock)); /* nobody has it */
	unlock_read(&attached->lock);

	memory_close(child);
	assert_true(attached_lock_private(attached, 0));
	unlock_read(&attached->lock);
	memory_close(attached->memory);
	space_close(attached->space);
	free(attached);
	free(pager);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_room)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
