/* SPDX-License-Identifier: MIT */
/*
 * Description: what /proc/PID/stat says is read right whatever a process is called, of a thread and
 * of who is gone.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/proc.h"

static void test_names(void **state)
{
	static const char *const names[] = {"plain", "a b", ") Z 1 1", "((", "a) S 7 "};
	char text[PROC_STAT];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *stat;

		prctl(PR_SET_NAME, names[i]);
		stat = proc_stat(getpid(), 0, text);
		assert_non_null(stat);
		assert_int_equal(*stat, 'R');
		assert_int_equal(atoi(proc_field(stat, 4)), getppid());
		assert_int_equal(atoi(proc_field(stat, 6)), getsid(0));
		assert_int_equal(proc_parent(getpid()), getppid());
	}
}

static void test_fields(void **state)
{
	char text[PROC_STAT];
	const char *stat = proc_stat(getpid(), (pid_t)syscall(SYS_gettid), text);

	assert_ptr_equal(proc_field(stat, 3), stat);
	assert_non_null(proc_field(stat, 52));
	assert_null(proc_field(stat, 53));
	assert_null(proc_field(NULL, 3));
	assert_null(proc_field(NULL, 4));
}

static void test_ended(void **state)
{
	char text[PROC_STAT];
	pid_t pid = fork();
	int file;

	if (!pid)
		_exit(0);
	waitid(P_PID, (id_t)pid, NULL, WEXITED | WNOWAIT);
	assert_int_equal(*proc_stat(pid, pid, text), 'Z');
	assert_int_equal(proc_parent(pid), getpid());
	assert_null(proc_stat(pid, getpid(), text));
	waitpid(pid, NULL, 0);
	assert_null(proc_stat(pid, 0, text));
	assert_int_equal(proc_parent(pid), 0);
	file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_null(proc_stat_of(file, text));
	close(file);
	assert_null(proc_stat_of(-1, text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
