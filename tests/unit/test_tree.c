/* SPDX-License-Identifier: MIT */
/*
 * Description: the processes of a job are the first one and all that descend from it, also a daemon
 * that came to the owner before it looked for the first time. What the owner had started before is
 * none of them.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "pager/attached/state.h"
#include "pager/job/tree.h"
#include "pager/pager.h"

#define LIMIT (64u << 20)

/* Until it is killed; not for ever, where the test failed. */
_Noreturn static void sleep_on(void)
{
	alarm(30);
	pause();
	_exit(0);
}

static pid_t sleeper(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid)
		sleep_on();
	return pid;
}

/* Its parent has ended: it is ours now. */
static pid_t daemon_of_child(void)
{
	pid_t parent, orphan = 0;
	int ends[2];

	assert_false(pipe(ends));
	parent = fork();
	assert_true(parent >= 0);
	if (!parent) {
		orphan = fork();
		if (!orphan)
			sleep_on();
		_exit(write(ends[1], &orphan, sizeof(orphan)) != sizeof(orphan));
	}
	assert_int_equal(read(ends[0], &orphan, sizeof(orphan)), sizeof(orphan));
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	close(ends[0]);
	close(ends[1]);
	return orphan;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_quick_daemon(void **state)
{
	const struct pager_config config = {.limit_bytes = LIMIT};
	pid_t stranger = sleeper(), first = sleeper(), orphan;
	char message[MESSAGE_BYTES];
	struct pager *pager;

	(void)state;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (pager_open(&pager, &config, message))
		fail_msg("%s", message);
	orphan = daemon_of_child();
	if (pager_adopt(pager, first, message))
		fail_msg("%s", message);
	pager_tick(pager);
	assert_non_null(tree_find(pager, first));
	assert_non_null(tree_find(pager, orphan));
	assert_null(tree_find(pager, stranger));
	end(orphan);
	end(first);
	end(stranger);
	pager_close(pager);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quick_daemon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
