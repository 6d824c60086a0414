/* SPDX-License-Identifier: MIT */
/*
 * Description: the budget that follows a memory cgroup: where the files of a process's cgroup are,
 * in a tree of files that the test makes up, and what budget follows from them, also when they
 * change and go.
 */
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "cgroup/cgroup_budget.h"

#define MIB    (1ull << 20)
#define LEAST  (16 * MIB)
#define SECOND 1000000000ull

/* ---- the tree ---- */

static char root[] = "/tmp/vswap-cgroup.XXXXXX";

static void put(const char *name, const char *format, ...)
{
	char path[1024];
	va_list arguments;
	FILE *file;

	snprintf(path, sizeof(path), "%s%s", root, name);
	for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	file = fopen(path, "w");
	assert_non_null(file);
	va_start(arguments, format);
	vfprintf(file, format, arguments);
	va_end(arguments);
	fclose(file);
}

static int drop(const char *path, const struct stat *status, int type, struct FTW *place)
{
	return remove(path);
}

static void take_away(const char *name)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s%s", root, name);
	nftw(path, drop, 8, FTW_DEPTH | FTW_PHYS);
}

static int setup(void **state)
{
	strcpy(strrchr(root, '.'), ".XXXXXX");
	return !mkdtemp(root);
}

static int teardown(void **state)
{
	take_away("");
	return 0;
}

/* Process 77 is what is followed; "self" is the caller. */
static void processes(const char *line, const char *self)
{
	put("/proc/77/cgroup", "12:cpu,cpuacct:/elsewhere\n%s\n", line);
	put("/proc/self/cgroup", "%s\n", self);
}

static void mounts_v1(const char *mounted)
{
	put("/proc/self/mountinfo",
	    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
	    "33 31 0:30 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
	    "35 31 0:32 %s /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n"
	    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n",
	    mounted);
}

static void mounts_v2(const char *mounted)
{
	put("/proc/self/mountinfo",
	    "31 23 0:28 / / rw - ext4 /dev/root rw\n"
	    "41 31 0:38 %s /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n",
	    mounted);
}

static void group_v1(const char *path, uint64_t limit, uint64_t usage, uint64_t file)
{
	char name[512];

	snprintf(name, sizeof(name), "/sys/fs/cgroup/memory%s/memory.limit_in_bytes", path);
	put(name, "%" PRIu64 "\n", limit);
	snprintf(name, sizeof(name), "/sys/fs/cgroup/memory%s/memory.usage_in_bytes", path);
	put(name, "%" PRIu64 "\n", usage);
	snprintf(name, sizeof(name), "/sys/fs/cgroup/memory%s/memory.stat", path);
	put(name,
	    "active_file 7\nhierarchical_memory_limit %" PRIu64 "\ntotal_inactive_file %" PRIu64
	    "\ntotal_active_file %" PRIu64 "\n",
	    limit, file / 2, file - file / 2);
}

/* `most`, `high`: 0 for "max". */
static void group_v2(const char *path, uint64_t most, uint64_t high, uint64_t usage, uint64_t file)
{
	const struct {
		const char *name;
		uint64_t value;
	} limits[] = {{"memory.max", most}, {"memory.high", high}};
	char name[512];

	for (unsigned int i = 0; i < 2; i++) {
		snprintf(name, sizeof(name), "/sys/fs/cgroup%s/%s", path, limits[i].name);
		if (limits[i].value)
			put(name, "%" PRIu64 "\n", limits[i].value);
		else
			put(name, "max\n");
	}
	snprintf(name, sizeof(name), "/sys/fs/cgroup%s/memory.current", path);
	put(name, "%" PRIu64 "\n", usage);
	snprintf(name, sizeof(name), "/sys/fs/cgroup%s/memory.stat", path);
	put(name,
	    "anon 5\ninactive_file %" PRIu64 "\nactive_file 0\nslab_reclaimable %" PRIu64 "\n",
	    file / 2, file - file / 2);
}

/* ---- policy ---- */

static void test_policy(void **state)
{
	uint64_t limit = 1024 * MIB, alone = limit - cgroup_margin(limit), held = 0;

	assert_in_range(cgroup_margin(64 * MIB), 64 * MIB / 20, 64 * MIB / 7);
	assert_in_range(cgroup_margin(64ull << 30), 1, 2ull << 30);
	/* What the budget counts takes nothing from it, whatever it is. */
	assert_int_equal(cgroup_budget(limit, 0, 0, 0), alone);
	assert_int_equal(cgroup_budget(limit, 700 * MIB, 700 * MIB, 0), alone);
	assert_int_equal(cgroup_budget(limit, 600 * MIB, 700 * MIB, 0), alone);
	/* All else does. */
	assert_int_equal(cgroup_budget(limit, 700 * MIB, 600 * MIB, 0), alone - 100 * MIB);
	assert_int_equal(cgroup_budget(limit, 0, 0, 50 * MIB), alone - 50 * MIB);
	assert_int_equal(cgroup_budget(limit, 2000 * MIB, 0, 0), 0);
	assert_int_equal(cgroup_budget(0, 0, 0, 0), 0);
	/* Pressure takes steps, to a quarter; calm gives them back, more slowly. */
	assert_int_equal(cgroup_held(limit, 0, 0), 0);
	for (unsigned int i = 0; i < 100; i++) {
		uint64_t before = held;

		held = cgroup_held(limit, held, 500);
		assert_true(held > before || held == limit / 4);
		assert_in_range(held, 1, limit / 4);
	}
	assert_in_range(held - cgroup_held(limit, held, 0), 1, limit / 128);
	for (unsigned int i = 0; i < 100; i++)
		held = cgroup_held(limit, held, 0);
	assert_int_equal(held, 0);
}

/* ---- following ---- */

static struct cgroup_budget following;
static char message[MESSAGE_BYTES];
static const struct cgroup_part nothing;

static void opens(uint64_t limit)
{
	assert_int_equal(cgroup_budget_open(&following, root, 77, LEAST, message), 0);
	assert_int_equal(following.limit, limit);
	assert_int_equal(following.budget, limit - cgroup_margin(limit));
}

static void path_is(const char *wanted)
{
	assert_string_equal(following.path + strlen(root), wanted);
}

static void refuses(int error, const char *why)
{
	message[0] = '\0';
	assert_int_equal(cgroup_budget_open(&following, root, 77, LEAST, message), error);
	assert_non_null(strstr(message, why));
	assert_null(following.cgroup);
	cgroup_budget_close(&following);
}

static void test_find_v1(void **state)
{
	processes("4:memory:/jobs/one", "4:memory:/jobs/one");
	mounts_v1("/");
	group_v1("", 1ull << 63, 900 * MIB, 0);
	group_v1("/jobs", 256 * MIB, 0, 0);
	group_v1("/jobs/one", 1ull << 63, 0, 0);
	opens(256 * MIB);
	path_is("/sys/fs/cgroup/memory/jobs");
	cgroup_budget_close(&following);
	group_v1("/jobs/one", 128 * MIB, 0, 0);
	opens(128 * MIB);
	path_is("/sys/fs/cgroup/memory/jobs/one");
	cgroup_budget_close(&following);
}

/* A container that sees the machine's paths and has its own part mounted... */
static void test_container_v1(void **state)
{
	processes("4:memory:/docker/1/sub", "4:memory:/docker/1");
	mounts_v1("/docker/1");
	group_v1("", 128 * MIB, 0, 0);
	group_v1("/sub", 1ull << 63, 0, 0);
	opens(128 * MIB);
	cgroup_budget_close(&following);
	/* ... or whose paths lead nowhere... */
	processes("4:memory:/docker/2", "4:memory:/docker/1");
	opens(128 * MIB);
	path_is("/sys/fs/cgroup/memory");
	cgroup_budget_close(&following);
	/* ... or from which only this number tells of a limit outside. */
	group_v1("", 1ull << 63, 0, 0);
	put("/sys/fs/cgroup/memory/memory.stat", "hierarchical_memory_limit %llu\n", 96 * MIB);
	opens(96 * MIB);
	cgroup_budget_close(&following);
	/* A process outside of what can be seen is not in the container's. */
	processes("4:memory:/../2", "4:memory:/");
	refuses(-ENOENT, "-m 512M");
}

static void test_find_v2(void **state)
{
	processes("0::/a.slice/b.service", "0::/a.slice/b.service");
	mounts_v2("/");
	put("/sys/fs/cgroup/cgroup.controllers", "memory\n"); /* the root has no limits */
	group_v2("/a.slice", 0, 200 * MIB, 0, 0);
	group_v2("/a.slice/b.service", 300 * MIB, 0, 0, 0);
	opens(200 * MIB);
	path_is("/sys/fs/cgroup/a.slice");
	cgroup_budget_close(&following);
	/* In a namespace of its own: the root is the container's. */
	processes("0::/", "0::/");
	group_v2("", 100 * MIB, 0, 0, 0);
	opens(100 * MIB);
	path_is("/sys/fs/cgroup");
	cgroup_budget_close(&following);
	/* A cgroup that the controller is not enabled for. */
	processes("0::/leaf", "0::/");
	put("/sys/fs/cgroup/leaf/cgroup.procs", "77\n");
	opens(100 * MIB);
	cgroup_budget_close(&following);
}

static void test_refused(void **state)
{
	refuses(-ESRCH, "no such process");
	processes("9:pids:/x", "9:pids:/x");
	mounts_v1("/");
	refuses(-ENOENT, "no memory cgroup");
	processes("4:memory:/x", "4:memory:/x");
	refuses(-ENOENT, "no memory cgroup");
	group_v1("", 1ull << 63, 0, 0);
	group_v1("/x", 1ull << 63, 0, 0);
	refuses(-ENODATA, "no memory limit");
	group_v1("/x", 18 * MIB, 0, 0);
	refuses(-ERANGE, "less than the least");
	put("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "much\n");
	refuses(-EINVAL, "cannot read");
}

static uint64_t now;

/* A second later; true if the budget has changed. */
static bool look_again(const struct cgroup_part *part)
{
	now += SECOND;
	return cgroup_budget_look(&following, part, now, message);
}

static void open_v2(uint64_t limit)
{
	processes("0::/job", "0::/job");
	mounts_v2("/");
	group_v2("/job", limit, 0, 0, 0);
	opens(limit);
	assert_false(look_again(&nothing));
}

static void test_use(void **state)
{
	const struct cgroup_part part = {.job = 60 * MIB, .caller = 20 * MIB};
	uint64_t limit = 256 * MIB, full = limit - cgroup_margin(limit);

	open_v2(limit);
	/* Ours, and page cache. */
	group_v2("/job", limit, 0, 200 * MIB, 120 * MIB);
	assert_false(look_again(&part));
	/* Something else: one look may be wrong, two are not. */
	group_v2("/job", limit, 0, 100 * MIB, 0);
	assert_false(look_again(&part));
	assert_true(look_again(&part));
	assert_int_equal(following.budget, full - 20 * MIB);
	/* Not before it is time. */
	group_v2("/job", limit, 0, 80 * MIB, 0);
	assert_false(cgroup_budget_look(&following, &part, now + 1, message));
	/* Gone: at once. */
	assert_true(look_again(&part));
	assert_int_equal(following.budget, full);
	cgroup_budget_close(&following);
	/* A caller that lives elsewhere has nothing in it. */
	processes("0::/job", "0::/jobs");
	put("/sys/fs/cgroup/jobs/cgroup.procs", "1\n");
	opens(limit);
	look_again(&part);
	look_again(&part);
	assert_int_equal(following.budget, full - 20 * MIB);
	cgroup_budget_close(&following);
}

/* The cgroup above has neighbours that leave less than the job's own limit. */
static void test_above(void **state)
{
	const struct cgroup_part part = {.job = 50 * MIB};
	uint64_t limit = 1024 * MIB;

	open_v2(256 * MIB);
	group_v2("", limit, 0, 50 * MIB, 0);
	assert_false(look_again(&part));
	group_v2("", limit, 0, 850 * MIB, 0);
	look_again(&part);
	assert_true(look_again(&part));
	assert_int_equal(following.budget, limit - cgroup_margin(limit) - 800 * MIB);
	path_is("/sys/fs/cgroup");
	cgroup_budget_close(&following);
}

static void test_limit_changes(void **state)
{
	open_v2(256 * MIB);
	group_v2("/job", 256 * MIB, 128 * MIB, 0, 0);
	look_again(&nothing);
	assert_true(look_again(&nothing));
	assert_int_equal(following.budget, 128 * MIB - cgroup_margin(128 * MIB));
	group_v2("/job", 512 * MIB, 0, 0, 0);
	assert_true(look_again(&nothing));
	assert_int_equal(following.budget, 512 * MIB - cgroup_margin(512 * MIB));
	/* Below the least: said once, and the least it is. */
	group_v2("/job", 8 * MIB, 0, 0, 0);
	assert_false(look_again(&nothing));
	assert_true(look_again(&nothing));
	assert_int_equal(following.budget, LEAST);
	assert_non_null(strstr(message, "less than the least"));
	assert_false(look_again(&nothing));
	assert_string_equal(message, "");
	cgroup_budget_close(&following);
}

static void stays(const char *why)
{
	uint64_t budget = following.budget;

	assert_false(look_again(&nothing));
	assert_non_null(strstr(message, why));
	assert_non_null(strstr(message, "stays at"));
	for (unsigned int i = 0; i < 3; i++) {
		assert_false(look_again(&nothing));
		assert_string_equal(message, "");
	}
	assert_int_equal(following.budget, budget);
	/* It is there again, with another limit. */
	group_v2("/job", 512 * MIB, 0, 0, 0);
	assert_true(look_again(&nothing));
	assert_int_equal(following.budget, 512 * MIB - cgroup_margin(512 * MIB));
	cgroup_budget_close(&following);
}

static void test_vanished(void **state)
{
	open_v2(256 * MIB);
	take_away("/sys/fs/cgroup/job");
	stays("is gone");
	open_v2(256 * MIB);
	take_away("/sys/fs/cgroup/job/memory.max");
	stays("no memory limit");
	open_v2(256 * MIB);
	take_away("/sys/fs/cgroup/job/memory.current");
	stays("is gone");
	open_v2(256 * MIB);
	put("/sys/fs/cgroup/job/memory.max", "%s", "");
	stays("cannot read");
}

static void stall(uint64_t microseconds)
{
	put("/sys/fs/cgroup/job/memory.pressure",
	    "some avg10=0.00 avg60=0.00 avg300=0.00 total=%" PRIu64 "\n", microseconds);
}

static void test_pressure(void **state)
{
	uint64_t full = 256 * MIB - cgroup_margin(256 * MIB), pressed;

	/* The machine's counts for nothing where the cgroup has its own. */
	put("/proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
	processes("0::/job", "0::/job");
	stall(5000000);
	open_v2(256 * MIB);
	stall(5010000); /* 1 % of a second is nothing */
	assert_false(look_again(&nothing));
	stall(5310000);
	look_again(&nothing);
	stall(5610000);
	assert_true(look_again(&nothing));
	pressed = following.budget;
	assert_in_range(pressed, full * 3 / 4, full - 1);
	look_again(&nothing);
	assert_true(look_again(&nothing));
	assert_in_range(following.budget, pressed - 8 * MIB, pressed + 2 * MIB);
	for (unsigned int i = 0; i < 50; i++)
		look_again(&nothing);
	assert_int_equal(following.budget, full);
	/* v1, and kernels without it in the cgroup. */
	take_away("/sys/fs/cgroup/job/memory.pressure");
	look_again(&nothing);
	put("/proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=999000000\n");
	look_again(&nothing);
	assert_true(look_again(&nothing));
	assert_true(following.budget < full);
	cgroup_budget_close(&following);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policy),
		cmocka_unit_test_setup_teardown(test_find_v1, setup, teardown),
		cmocka_unit_test_setup_teardown(test_container_v1, setup, teardown),
		cmocka_unit_test_setup_teardown(test_find_v2, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_use, setup, teardown),
		cmocka_unit_test_setup_teardown(test_above, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limit_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vanished, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pressure, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
