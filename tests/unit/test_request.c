/* SPDX-License-Identifier: MIT */
/* Description: what the owner makes of a client's line. */
#include <errno.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "control/request.h"

static int parse(const char *line, struct request *request)
{
	/* No terminator: the parser must keep to the length. */
	size_t length = strlen(line);
	char *copy = malloc(length + !length), message[MESSAGE_BYTES] = "";
	int result;

	memcpy(copy, line, length);
	result = request_parse(copy, length, request, message);
	assert_int_equal(result != 0, message[0] != '\0');
	free(copy);
	return result;
}

static void accepts(const char *line, enum request_kind kind, uint64_t number)
{
	struct request request;

	assert_int_equal(parse(line, &request), 0);
	assert_int_equal(request.kind, kind);
	assert_int_equal(kind == REQUEST_LIMIT ? request.group.limit_bytes : request.address,
			 number);
}

static void test_requests(void **state)
{
	accepts("{\"request\":\"report\"}", REQUEST_REPORT, 0);
	accepts("{\"request\":\"limit\",\"bytes\":268435456}", REQUEST_LIMIT, 268435456);
	accepts("{\"request\":\"follow\"}", REQUEST_FOLLOW, 0);
	accepts("{\"request\":\"thaw\"}", REQUEST_THAW, 0);
	accepts("{\"request\":\"detach\",\"more\":[]}", REQUEST_DETACH, 0);
	accepts("{\"request\":\"detach\",\"lose\":true}", REQUEST_DETACH, 0);
	accepts("{\"request\":\"where\",\"address\":140737353707520}", REQUEST_WHERE,
		140737353707520);
}

static void test_groups(void **state)
{
	struct request request;

	assert_int_equal(parse("{\"request\":\"group\",\"name\":\"tests\"}", &request), 0);
	assert_int_equal(request.kind, REQUEST_GROUP);
	assert_string_equal(request.group.name, "tests");
	assert_false(request.group.has_limit);
	assert_int_equal(request.group.weight, 0);
	assert_string_equal(request.group.tiers, "");
	assert_int_equal(parse("{\"request\":\"group\",\"name\":\"a b\",\"bytes\":0,"
			       "\"weight\":10000,\"tiers\":\"ram,disk\"}",
			       &request),
			 0);
	assert_string_equal(request.group.name, "a b"); /* the pager judges names */
	assert_true(request.group.has_limit);
	assert_int_equal(request.group.limit_bytes, 0);
	assert_int_equal(request.group.weight, 10000);
	assert_string_equal(request.group.tiers, "ram,disk");
	assert_int_equal(parse("{\"request\":\"limit\",\"group\":\"a/b\",\"weight\":7}", &request),
			 0);
	assert_int_equal(request.kind, REQUEST_LIMIT);
	assert_string_equal(request.group.name, "a/b");
	assert_false(request.group.has_limit);
	assert_int_equal(request.group.weight, 7);
	assert_int_equal(parse("{\"request\":\"limit\",\"bytes\":5}", &request), 0);
	assert_string_equal(request.group.name, "");
}

/* A path of just GROUP_PATH - 1 bytes is taken, a longer one is not. */
static void test_long_path(void **state)
{
	char line[GROUP_PATH + 64], path[GROUP_PATH + 1];
	struct request request;

	for (size_t length = GROUP_PATH - 1; length <= GROUP_PATH; length++) {
		memset(path, 'x', length);
		path[length] = '\0';
		snprintf(line, sizeof(line), "{\"request\":\"limit\",\"bytes\":1,\"group\":\"%s\"}",
			 path);
		assert_int_equal(parse(line, &request), length < GROUP_PATH ? 0 : -EINVAL);
	}
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
		"{\"request\":\"limit\",\"bytes\":18446744073709551615}",
		"{\"request\":\"limit\",\"bytes\":99999999999999999999999}",
		"{\"request\":\"report\\u0000s\"}",
		"{\"request\":\"where\",\"bytes\":1}",
		"{\"request\":\"report\"} {\"request\":\"report\"}",
		"{\"request\":\"group\"}",
		"{\"request\":\"group\",\"name\":\"\"}",
		"{\"request\":\"group\",\"name\":3}",
		"{\"request\":\"group\",\"name\":\"a\\u0000b\"}",
		"{\"request\":\"group\",\"name\":\"a\",\"bytes\":-1}",
		"{\"request\":\"group\",\"name\":\"a\",\"bytes\":null}",
		"{\"request\":\"group\",\"name\":\"a\",\"weight\":0}",
		"{\"request\":\"group\",\"name\":\"a\",\"weight\":10001}",
		"{\"request\":\"group\",\"name\":\"a\",\"weight\":4294967396}",
		"{\"request\":\"group\",\"name\":\"a\",\"tiers\":\"\"}",
		"{\"request\":\"group\",\"name\":\"a\",\"tiers\":[]}",
		"{\"request\":\"limit\",\"group\":\"\",\"bytes\":1}",
		"{\"request\":\"limit\",\"group\":null,\"bytes\":1}",
		"{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":1}}}},\"request\":\"report\"}",
	};
	struct request request;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_int_equal(parse(lines[i], &request), -EINVAL);
}

/* What is written is read as it was. */
static void test_round_trip(void **state)
{
	static const struct request requests[] = {
		{.kind = REQUEST_REPORT},
		{.kind = REQUEST_LIMIT, .group = {.has_limit = true, .limit_bytes = 1ull << 40}},
		{.kind = REQUEST_LIMIT, .group = {.name = "a/b", .weight = 10000}},
		{.kind = REQUEST_LIMIT, .group = {.name = "a", .has_limit = true}},
		{.kind = REQUEST_FOLLOW},
		{.kind = REQUEST_GROUP, .group = {"a \"b\"", true, 1, 2, "ram,disk"}},
		{.kind = REQUEST_GROUP, .group = {.name = "c"}},
		{.kind = REQUEST_THAW},
		{.kind = REQUEST_DETACH},
		{.kind = REQUEST_DETACH, .lose = true},
		{.kind = REQUEST_WHERE, .address = INT64_MAX - 1, .pid = INT32_MAX},
		{.kind = REQUEST_WHERE, .address = 0},
		{.kind = REQUEST_BACKEND_ADD, .spec = "file:/a\\,b,size=1M"},
		{.kind = REQUEST_BACKEND_SET, .backend = "fast", .priority = -32767},
		{.kind = REQUEST_BACKEND_REMOVE, .backend = "fast"},
		{.kind = REQUEST_BACKEND_REMOVE, .backend = "fast", .lose = true},
	};
	unsigned int kinds = 0;

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct json_object *object = request_to_json(&requests[i]);
		struct request request;

		assert_int_equal(parse(json_object_to_json_string(object), &request), 0);
		assert_memory_equal(&request, &requests[i], sizeof(request));
		kinds |= 1u << request.kind;
		json_object_put(object);
	}
	assert_int_equal(kinds, (1u << REQUEST_KINDS) - 1);
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
		cmocka_unit_test(test_requests),   cmocka_unit_test(test_groups),
		cmocka_unit_test(test_long_path),  cmocka_unit_test(test_refused),
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
