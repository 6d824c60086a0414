/* SPDX-License-Identifier: MIT */
/* Description: SIZE of the command line, and sizes as people read them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/size.h"

#define RAM (16ull << 30)

static void accepts(const char *text, uint64_t wanted)
{
	char message[MESSAGE_BYTES] = "";
	uint64_t bytes = 0;

	assert_int_equal(size_parse(text, RAM, &bytes, message), 0);
	assert_int_equal(bytes, wanted);
	assert_string_equal(message, "");
}

static void refuses(const char *text, int error)
{
	char message[MESSAGE_BYTES] = "";
	uint64_t bytes = 4711;

	assert_int_equal(size_parse(text, RAM, &bytes, message), error);
	assert_non_null(strstr(message, "is not a size"));
	assert_int_equal(bytes, 4711);
}

static void test_plain(void **state)
{
	accepts("1", 1);
	accepts("4096", 4096);
	accepts("4611686018427387904", 1ull << 62);
}

static void test_units(void **state)
{
	accepts("1K", 1024);
	accepts("256M", 256ull << 20);
	accepts("256m", 256ull << 20);
	accepts("2GiB", 2ull << 30);
	accepts("3t", 3ull << 40);
	accepts("1.5G", 3ull << 29);
	accepts("0.25K", 256);
	accepts("1.0000000000000000000001K", 1024);
}

static void test_percent(void **state)
{
	accepts("100%", RAM);
	accepts("25%", RAM / 4);
	accepts("12.5%", RAM / 8);
	refuses("100.1%", -ERANGE);
	refuses("0%", -ERANGE);
	refuses("25%%", -EINVAL);
}

static void test_nonsense(void **state)
{
	static const char *const texts[] = {"",	   " ",	    "M",     "-1",  "+1",   "1 M",
					    "1MB", "1.M",   ".5M",   "1..", "0x10", "1e9",
					    "ten", "1KiBs", "1Gib0", "%",   "1P",   "1.2.3M"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		refuses(texts[i], -EINVAL);
}

static void test_range(void **state)
{
	refuses("0", -ERANGE);
	refuses("0.0001K", -ERANGE);
	refuses("4611686018427387905", -ERANGE);
	refuses("99999999T", -ERANGE);
	refuses("4194305T", -ERANGE);
	accepts("4194304T", 1ull << 62);
	/* Times 2^40 and the fraction's scale this is 2^132: 0 in 128 bits. */
	refuses("4611686018427387904T", -ERANGE);
	refuses("99999999999999999999999999999999999999", -ERANGE);
}

static void shows(uint64_t bytes, const char *wanted)
{
	char text[SIZE_TEXT];

	assert_string_equal(size_format(bytes, text), wanted);
}

static void test_format(void **state)
{
	shows(0, "0 B");
	shows(999, "999 B");
	shows(1000, "0.98 KiB");
	shows(1024, "1.00 KiB");
	shows(10 * 1024, "10.0 KiB");
	shows(999 * 1024ull, "999 KiB");
	shows(256ull << 20, "256 MiB");
	shows(3ull << 29, "1.50 GiB");
	shows(UINT64_MAX, "16.0 EiB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),	cmocka_unit_test(test_units),
		cmocka_unit_test(test_percent), cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_range),	cmocka_unit_test(test_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
