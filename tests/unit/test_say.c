/* SPDX-License-Identifier: MIT */
/* Description: what is said is one line, whatever a process or a group in it is called. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <unistd.h>
#include "base/say.h"

/* What comes out on standard error. */
static void say(const char *line, char *out, size_t size)
{
	int before = dup(STDERR_FILENO), ends[2];
	ssize_t got;

	assert_false(pipe(ends));
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	close(ends[1]);
	say_line(line);
	dup2(before, STDERR_FILENO);
	close(before);
	got = read(ends[0], out, size - 1);
	close(ends[0]);
	assert_in_range(got, 1, size - 1);
	out[got] = '\0';
}

static void test_names(void **state)
{
	char out[2048];

	say("process 7 (name) ended", out, sizeof(out));
	assert_string_equal(out, "vswap: process 7 (name) ended\n");
	say("process 7 (\033[31mred\a) ended", out, sizeof(out));
	assert_string_equal(out, "vswap: process 7 (?[31mred?) ended\n");
	say("process 7 (a\nvswap: all is well) ended", out, sizeof(out));
	assert_string_equal(out, "vswap: process 7 (a?vswap: all is well) ended\n");
}

static void test_long(void **state)
{
	char line[4096], out[4096];

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	say(line, out, sizeof(out));
	assert_in_range(strlen(out), 100, 1024);
	assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
