/* SPDX-License-Identifier: MIT */
/* Description: the SPEC of a backend, right and wrong; sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/backend.h"

static struct backend_spec spec;
static char message[MESSAGE_BYTES];

static void accepts(const char *text)
{
	int error = backend_parse_spec(text, &spec, message);

	if (error)
		fail_msg("\"%s\" refused: %s", text, message);
	assert_string_equal(message, "");
}

/* Every refusal names what is wrong and what would be right. */
static void refuses(const char *text, const char *part)
{
	assert_int_equal(backend_parse_spec(text, &spec, message), -22);
	if (!strstr(message, part))
		fail_msg("\"%s\": the message \"%s\" does not say \"%s\"", text, message, part);
}

static void test_accepted(void **state)
{
	accepts("file:/var/tmp");
	assert_string_equal(spec.kind, "file");
	assert_string_equal(spec.path, "/var/tmp");
	assert_string_equal(spec.name, "file:/var/tmp");
	assert_int_equal(spec.size, 0);
	assert_int_equal(spec.priority, 0);

	accepts("file:/dev/sdb,size=2G,prio=-5,name=old disk");
	assert_string_equal(spec.path, "/dev/sdb");
	assert_string_equal(spec.name, "old disk");
	assert_int_equal(spec.size, 2ull << 30);
	assert_int_equal(spec.priority, -5);

	accepts("file:a:b=c");
	assert_string_equal(spec.path, "a:b=c");
	accepts("file:/a\\,b\\\\c\\d");
	assert_string_equal(spec.path, "/a,b\\c\\d");

	accepts("ram");
	assert_string_equal(spec.name, "ram");
	accepts("ram,size=512M");
	assert_int_equal(spec.size, 512ull << 20);
}

static void test_long_paths(void **state)
{
	char text[5000] = "file:/";

	memset(text + 6, 'a', 200);
	strcpy(text + 206, "/end");
	accepts(text);
	assert_int_equal(strlen(spec.name), sizeof(spec.name) - 1);
	assert_non_null(strstr(spec.name, "file:..."));
	assert_string_equal(spec.name + strlen(spec.name) - 4, "/end");

	memset(text + 6, 'a', 4200);
	text[4206] = '\0';
	refuses(text, "longer than 4095");

	accepts("file:/tmp/\x01\xc3\xa4");
	assert_string_equal(spec.name, "file:/tmp/???");
}

static void test_refused(void **state)
{
	refuses("", "file:PATH");
	refuses("disk:/tmp", "\"disk\"");
	refuses("fil:/tmp", "\"fil\"");
	refuses("filex:/tmp", "\"filex\"");
	refuses("file", "file:/var/tmp");
	refuses("file:", "needs a path");
	refuses("file:,size=1G", "needs a path");
	refuses("ram:/tmp", "takes no path");
	refuses("file:/tmp,", "file:PATH");
	refuses("file:/tmp,sized=1", "\"sized\"");
	refuses("file:/tmp,size", "size needs a value");
	refuses("file:/tmp,size=", "is not a size");
	refuses("file:/tmp,size=-1", "is not a size");
	refuses("file:/tmp,size=1X", "is not a size");
	refuses("file:/tmp,size=0", "it is zero");
	refuses("file:/tmp,size=99999999999T", "too large");
	refuses("file:/tmp,size=1G,size=2G", "twice");
	refuses("file:/tmp,prio=", "prio=10");
	refuses("file:/tmp,prio=1.5", "prio=10");
	refuses("file:/tmp,prio=40000", "prio=10");
	refuses("file:/tmp,prio= 1", "prio=10");
	refuses("file:/tmp,name=", "name=scratch");
	refuses("file:/tmp,name=a\nb", "name=scratch");
	refuses("file:/tmp,name=ram", "name=scratch");
	refuses("file:/a,b", "\\,");
}

static void test_seal(void **state)
{
	accepts("file:/tmp");
	assert_false(spec.plain);
	accepts("file:/tmp,seal=yes");
	assert_false(spec.plain);
	accepts("file:/tmp,seal=no,prio=3");
	assert_true(spec.plain);
	refuses("file:/tmp,seal=", "seal must be");
	refuses("file:/tmp,seal=none", "seal must be");
	refuses("file:/tmp,seal=probably", "seal must be");
	refuses("ram,seal=no", "never sealed");
}

/* The same grammar as a budget's; test_size.c has more. */
static void test_sizes(void **state)
{
	accepts("file:/tmp,size=1.5G");
	assert_int_equal(spec.size, 3ull << 29);
	accepts("file:/tmp,size=512MiB");
	assert_int_equal(spec.size, 512ull << 20);
	accepts("ram,size=12.5%");
	assert_true(spec.size > 0);
	refuses("ram,size=101%", "more than 100 %");
	refuses("ram,size=111111111111111111111111111111111111111111", "too long");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted), cmocka_unit_test(test_long_paths),
		cmocka_unit_test(test_refused),	 cmocka_unit_test(test_seal),
		cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
