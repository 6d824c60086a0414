/* SPDX-License-Identifier: MIT */
/* Description: what the owner makes of a client's line. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "control/request.h"

static int parse(const char *line, struct request *request)
{
	/* No terminator: the parser must keep to the length. */
	size_t length = strlen(line);
	char *copy = malloc(length + !length), message[200] = "";
	int result;

	memcpy(copy, line, length);
	result = request_parse(copy, length, request, message, sizeof(message));
	assert_int_equal(result != 0, message[0] != '\0');
	free(copy);
	return result;
}

static void accepts(const char *line, enum request_kind kind, uint64_t number)
{
	struct request request;

	assert_int_equal(parse(line, &request), 0);
	assert_int_equal(request.kind, kind);
	assert_int_equal(request.number, number);
}

static void test_requests(void **state)
{
	accepts("{\"request\":\"report\"}", REQUEST_REPORT, 0);
	accepts("{\"request\":\"limit\",\"bytes\":268435456}", REQUEST_LIMIT, 268435456);
	accepts("{\"request\":\"follow\"}", REQUEST_FOLLOW, 0);
	accepts("{\"request\":\"thaw\"}", REQUEST_THAW, 0);
	accepts("{\"request\":\"detach\",\"more\":[]}", REQUEST_DETACH, 0);
	accepts("{\"request\":\"where\",\"address\":140737353707520}", REQUEST_WHERE,
		140737353707520);
}

static void test_refused(void **state)
{
	static const char *const lines[] = {
		"",
		"{",
		"null",
		"[]",
		"3",
		"report",
		"{}",
		"{\"request\":3}",
		"{\"request\":\"reports\"}",
		"{\"request\":\"limit\"}",
		"{\"request\":\"limit\",\"bytes\":\"1\"}",
		"{\"request\":\"limit\",\"bytes\":-1}",
		"{\"request\":\"limit\",\"bytes\":1.5}",
		"{\"request\":\"where\",\"bytes\":1}",
		"{\"request\":\"report\"} {\"request\":\"report\"}",
		"{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":1}}}},\"request\":\"report\"}",
	};
	struct request request;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_int_equal(parse(lines[i], &request), -EINVAL);
}

static void test_long(void **state)
{
	char line[REQUEST_BYTES + 2];
	struct request request;

	memset(line, ' ', sizeof(line));
	memcpy(line, "{\"request\":\"report\"}", 20);
	line[sizeof(line) - 1] = '\0';
	assert_int_equal(parse(line, &request), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
