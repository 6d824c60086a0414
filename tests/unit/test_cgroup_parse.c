/* SPDX-License-Identifier: MIT */
/* Description: what the kernel's texts about memory cgroups say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cgroup/cgroup_parse.h"

static void membership(const char *text, enum cgroup_version version, const char *wanted)
{
	char path[64] = "";

	assert_int_equal(cgroup_parse_membership(text, path, sizeof(path)), version);
	assert_string_equal(path, wanted);
}

static void test_membership(void **state)
{
	membership("0::/user.slice/a.service\n", CGROUP_V2, "/user.slice/a.service");
	membership("9:name=systemd:/\n4:memory:/a b:c\n0::/other\n", CGROUP_V1, "/a b:c");
	membership("0::/other\n4:hugetlb,memory:/job", CGROUP_V1, "/job");
	membership("4:memoryx:/job\n5:xmemory:/job\n", CGROUP_NONE, "");
	membership("4:memory:job\n", CGROUP_NONE, "");
	membership("1::/x\n00::/y\n", CGROUP_NONE, "");
	membership("", CGROUP_NONE, "");
	membership(":::\n\n0:\n", CGROUP_NONE, "");
	membership("0::/0123456789012345678901234567890123456789012345678901234567890123456789\n",
		   CGROUP_NONE, "");
}

static void mount(const char *line, enum cgroup_version version, const char *mounted,
		  const char *where)
{
	char from[64], point[64];

	assert_int_equal(cgroup_parse_mount(line, from, point, sizeof(from)), version);
	if (version == CGROUP_NONE)
		return;
	assert_string_equal(from, mounted);
	assert_string_equal(point, where);
}

static void test_mount(void **state)
{
	mount("32 31 0:35 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n",
	      CGROUP_V1, "/", "/sys/fs/cgroup/memory");
	mount("32 31 0:35 /docker/1 /a\\040b\\134c rw shared:1 master:2 - cgroup none "
	      "rw,cpu,memory",
	      CGROUP_V1, "/docker/1", "/a b\\c");
	mount("41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n", CGROUP_V2, "/",
	      "/sys/fs/cgroup");
	mount("33 31 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n", CGROUP_NONE, "", "");
	mount("33 31 0:30 / / rw - ext4 /dev/memory rw,memory\n", CGROUP_NONE, "", "");
	mount("33 31 0:30 / /x rw - cgroup", CGROUP_NONE, "", "");
	mount("33 31 0:30 x /x rw - cgroup2 a b", CGROUP_NONE, "", "");
	mount("33 31 0:30 /\\000 /x rw - cgroup2 a b", CGROUP_NONE, "", "");
	mount("\n", CGROUP_NONE, "", "");
	mount("", CGROUP_NONE, "", "");
}

static void bytes_are(const char *text, uint64_t wanted)
{
	uint64_t bytes;

	assert_true(cgroup_parse_bytes(text, &bytes));
	assert_int_equal(bytes, wanted);
}

static void test_numbers(void **state)
{
	static const char *const wrong[] = {"",	       "\n",   "-1\n",	"maximum",
					    "12 34\n", "4K\n", "12\n\n"};
	uint64_t value = 0;

	bytes_are("max\n", CGROUP_UNLIMITED);
	bytes_are("67108864\n", 64ull << 20);
	bytes_are("0", 0);
	bytes_are("9223372036854771712\n", CGROUP_UNLIMITED);
	bytes_are("99999999999999999999999999999999\n", CGROUP_UNLIMITED);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(cgroup_parse_bytes(wrong[i], &value));
	assert_true(cgroup_parse_member("total_a 3\na 4\n", "a", &value));
	assert_int_equal(value, 4);
	assert_false(cgroup_parse_member("ab 3\na\nb a 5\n", "a", &value));
	assert_true(cgroup_parse_stalled("some avg10=0.00 avg60=1.23 avg300=0.00 total=971308222\n"
					 "full avg10=0.00 avg60=0.00 avg300=0.00 total=1\n",
					 &value));
	assert_int_equal(value, 971308222);
	assert_false(cgroup_parse_stalled("some avg10=0.00\nfull avg10=0.00 total=1\n", &value));
	assert_false(cgroup_parse_stalled("full avg10=0.00 total=1\n", &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_membership),
		cmocka_unit_test(test_mount),
		cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
