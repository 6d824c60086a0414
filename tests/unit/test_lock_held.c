/* SPDX-License-Identifier: MIT */
/* Description: who says that the memory lock is held, and is wrong, ends. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include "pager/attached/lock.h"

static struct memory_lock lock; /* without an agent */

/* In a child, which it must end. */
static bool fires(void (*asserting)(const struct memory_lock *held))
{
	pid_t child = fork();
	int status;

	if (!child) {
		close(STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		asserting(&lock);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void test_assertions(void **state)
{
	assert_true(fires(assert_reading));
	assert_true(fires(assert_writing));
	lock_read(&lock);
	assert_false(fires(assert_reading));
	assert_true(fires(assert_writing));
	unlock_read(&lock);
	lock_write(&lock);
	assert_false(fires(assert_reading));
	assert_false(fires(assert_writing));
	lock_downgrade(&lock);
	assert_true(fires(assert_writing));
	unlock_read(&lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_assertions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
