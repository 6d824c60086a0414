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
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "attach/wait.h"
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

/* Without a descriptor nothing is known of a thread: it is not dead. */
static void test_short_of_descriptors(void **state)
{
	struct rlimit all, none;
	bool dead;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
	none = (struct rlimit){.rlim_cur = 3, .rlim_max = all.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	dead = thread_dead(getpid(), gettid());
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
	assert_false(dead);
	assert_true(thread_dead(getpid(), 0x7ffffff));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_ended),
		cmocka_unit_test(test_short_of_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
