// SPDX-License-Identifier: MIT
/* Description: the public API. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <vswap.h>
#include "pattern.h"

#define CLUSTERS 512u
#define PAGES	 (CLUSTERS * VSWAP_CLUSTER_SLOTS)
#define RANDOM	 3u /* pattern numbers that are 3 modulo 8 do not compress */

static struct vswap *open_space(const char *backend)
{
	struct vswap_options options = {.size = sizeof(options),
					.ram_bytes = VSWAP_LEAST_RAM_BYTES,
					.slots = PAGES,
					.backends = &backend,
					.backend_count = backend != NULL};
	struct vswap *space;
	char message[256] = "";

	assert_int_equal(vswap_open(&space, &options, message, sizeof(message)), 0);
	assert_string_equal(message, "");
	return space;
}

static int put(struct vswap *space, vswap_slot slot, uint64_t number)
{
	unsigned char page[VSWAP_PAGE_BYTES];

	pattern_fill(number, page);
	return vswap_put(space, slot, page);
}

static vswap_slot slot_of(const vswap_slot *first, unsigned int page)
{
	return first[page / VSWAP_CLUSTER_SLOTS] + page % VSWAP_CLUSTER_SLOTS;
}

static void expect(struct vswap *space, vswap_slot slot, uint64_t number)
{
	unsigned char page[VSWAP_PAGE_BYTES];

	assert_int_equal(vswap_get(space, slot, page), 0);
	assert_true(pattern_matches(number, page));
}

static void test_refuses(void **state)
{
	struct vswap_options options = {.size = sizeof(options), .ram_bytes = 1 << 20, .slots = 1};
	const char *bad = "tape:/dev/st0";
	struct vswap *space;
	char message[256];

	assert_int_equal(vswap_open(&space, &options, message, sizeof(message)), -EINVAL);
	assert_non_null(strstr(message, "ram_bytes"));
	assert_int_equal(vswap_open(&space, &options, NULL, 0), -EINVAL);
	options.ram_bytes = VSWAP_LEAST_RAM_BYTES;
	options.slots = 0;
	assert_int_equal(vswap_open(&space, &options, message, sizeof(message)), -EINVAL);
	assert_non_null(strstr(message, "slots"));
	options.slots = 1;
	options.backends = &bad;
	options.backend_count = 1;
	assert_int_equal(vswap_open(&space, &options, message, sizeof(message)), -EINVAL);
	assert_non_null(strstr(message, "tape"));
}

/* A structure of another version, with more in it than this library knows. */
static void test_sizes(void **state)
{
	struct {
		struct vswap_options known;
		uint64_t more;
	} options = {
		.known = {.size = sizeof(options), .ram_bytes = VSWAP_LEAST_RAM_BYTES, .slots = 1}};
	struct {
		struct vswap_statistics known;
		uint64_t more;
	} statistics = {.known = {.size = sizeof(statistics)}, .more = 1};
	struct vswap *space;
	char message[256];

	assert_int_equal(vswap_version(), VSWAP_VERSION);
	assert_int_equal(vswap_open(&space, &options.known, message, sizeof(message)), 0);
	assert_int_equal(vswap_statistics(space, &statistics.known), 0);
	assert_int_equal(statistics.known.size, sizeof(statistics));
	assert_int_equal(statistics.more, 0);
	statistics.known.size = sizeof(size_t);
	assert_int_equal(vswap_statistics(space, &statistics.known), -EINVAL);
	vswap_close(space);
	options.more = 1;
	assert_int_equal(vswap_open(&space, &options.known, message, sizeof(message)), -E2BIG);
	assert_non_null(strstr(message, "newer"));
	options.known.size = 0;
	assert_int_equal(vswap_open(&space, &options.known, message, sizeof(message)), -EINVAL);
	assert_non_null(strstr(message, "size"));
}

static void test_slots(void **state)
{
	struct vswap *space = open_space(NULL);
	unsigned char page[VSWAP_PAGE_BYTES];
	vswap_slot a, b;

	assert_int_equal(vswap_get(space, 0, page), -EINVAL);
	assert_int_equal(vswap_put(space, VSWAP_CLUSTER_SLOTS, page), -EINVAL);
	assert_int_equal(vswap_bind(space, &a), 0);
	assert_int_equal(vswap_bind(space, &b), 0);
	expect(space, a, 0);
	assert_int_equal(put(space, a, 5), 0);
	assert_int_equal(put(space, a + VSWAP_CLUSTER_SLOTS - 1, 6), 0);
	expect(space, a, 5);
	expect(space, a + VSWAP_CLUSTER_SLOTS - 1, 6);
	assert_int_equal(put(space, a, 9), 0);
	expect(space, a, 9);
	assert_int_equal(vswap_drop(space, a + VSWAP_CLUSTER_SLOTS - 1), 0);
	expect(space, a + VSWAP_CLUSTER_SLOTS - 1, 0);
	assert_int_equal(vswap_unbind(space, a + 1), -EINVAL);
	assert_int_equal(vswap_unbind(space, a), 0);
	assert_int_equal(vswap_unbind(space, a), -EINVAL);
	assert_int_equal(vswap_get(space, a, page), -EINVAL);
	assert_int_equal(vswap_drop(space, ~0ull), -EINVAL);
	vswap_close(space);
}

static void test_duplicate_and_fork(void **state)
{
	struct vswap *space = open_space(NULL);
	struct vswap_statistics one = {.size = sizeof(one)}, two = {.size = sizeof(two)};
	vswap_slot a, b;

	assert_int_equal(vswap_bind(space, &a), 0);
	for (unsigned int i = 0; i < VSWAP_CLUSTER_SLOTS; i++)
		assert_int_equal(put(space, a + i, RANDOM + 8 * i), 0);
	assert_int_equal(vswap_statistics(space, &one), 0);
	assert_int_equal(vswap_fork(space, a + 3, &b), -EINVAL);
	assert_int_equal(vswap_fork(space, a, &b), 0);
	assert_int_equal(vswap_duplicate(space, a + 1, a + 2), 0);
	assert_int_equal(vswap_duplicate(space, a + 1, a + 1), 0);
	assert_int_equal(vswap_statistics(space, &two), 0);
	assert_int_equal(two.stored_slots, 2 * VSWAP_CLUSTER_SLOTS);
	assert_int_equal(two.stored_bytes, one.stored_bytes);
	assert_int_equal(put(space, a + 1, 8), 0);
	expect(space, a + 1, 8);
	expect(space, a + 2, RANDOM + 8);
	assert_int_equal(vswap_unbind(space, a), 0);
	for (unsigned int i = 0; i < VSWAP_CLUSTER_SLOTS; i++)
		expect(space, b + i, RANDOM + 8 * i);
	assert_int_equal(vswap_unbind(space, b), 0);
	assert_int_equal(vswap_statistics(space, &two), 0);
	assert_int_equal(two.stored_bytes, 0);
	vswap_close(space);
}

static unsigned int fill(struct vswap *space, vswap_slot first[CLUSTERS], int *error)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++) {
		if (i % VSWAP_CLUSTER_SLOTS == 0)
			assert_int_equal(vswap_bind(space, &first[i / VSWAP_CLUSTER_SLOTS]), 0);
		*error = put(space, slot_of(first, i), RANDOM + 8 * i);
		if (*error)
			break;
	}
	return i;
}

static void expect_all(struct vswap *space, const vswap_slot first[CLUSTERS], unsigned int pages)
{
	for (unsigned int i = 0; i < pages; i++)
		expect(space, slot_of(first, i), RANDOM + 8 * i);
}

static void test_full(void **state)
{
	struct vswap *space = open_space(NULL);
	vswap_slot first[CLUSTERS];
	unsigned int pages;
	int error;

	/* Nothing compresses and there is no backend: RAM's end is the end. */
	pages = fill(space, first, &error);
	assert_int_equal(error, -ENOSPC);
	assert_in_range(pages, 1024, 2047);
	expect_all(space, first, pages);
	for (unsigned int i = 0; i < 600; i++)
		assert_int_equal(vswap_drop(space, slot_of(first, i)), 0);
	for (unsigned int i = 0; i < 300; i++)
		assert_int_equal(put(space, slot_of(first, i), RANDOM + 8 * i), 0);
	expect_all(space, first, 300);
	vswap_close(space);
}

static void test_backend(void **state)
{
	struct vswap *space = open_space("file:/tmp,size=40M");
	struct vswap_statistics statistics = {.size = sizeof(statistics)};
	vswap_slot first[CLUSTERS];
	int error;

	assert_int_equal(fill(space, first, &error), PAGES);
	assert_int_equal(vswap_statistics(space, &statistics), 0);
	assert_true(statistics.ram_bytes <= VSWAP_LEAST_RAM_BYTES);
	assert_true(statistics.backend_bytes >= 20 << 20);
	/* 8.5 bytes a page and what a space has at the least. */
	assert_true(statistics.metadata_bytes < PAGES * 17 / 2 + (64 << 10));
	expect_all(space, first, PAGES);
	/* The file is nearly full of half-dead segments: they are packed. */
	for (int round = 0; round < 4; round++)
		for (unsigned int i = round % 2; i < PAGES; i += 2)
			assert_int_equal(put(space, slot_of(first, i), RANDOM + 8 * i), 0);
	expect_all(space, first, PAGES);
	vswap_close(space);
}

/* With a backend what is too much leaves RAM at once; without one the limit holds for what comes.
 */
static void test_limit_changes(void **state)
{
	const char *backend = "file:/tmp,size=40M";
	struct vswap_options options = {.size = sizeof(options),
					.ram_bytes = VSWAP_LEAST_RAM_BYTES,
					.ram_bytes_most = 3 * VSWAP_LEAST_RAM_BYTES,
					.slots = PAGES,
					.backends = &backend,
					.backend_count = 1};
	struct vswap_statistics statistics = {.size = sizeof(statistics)};
	vswap_slot first[CLUSTERS];
	unsigned int pages, more;
	struct vswap *space;
	int error;

	assert_int_equal(vswap_open(&space, &options, NULL, 0), 0);
	assert_int_equal(vswap_set_ram(space, VSWAP_LEAST_RAM_BYTES - 1), -EINVAL);
	assert_int_equal(vswap_set_ram(space, options.ram_bytes_most + 1), -EINVAL);
	assert_int_equal(vswap_set_ram(space, options.ram_bytes_most), 0);
	assert_int_equal(fill(space, first, &error), PAGES);
	vswap_statistics(space, &statistics);
	assert_true(statistics.ram_bytes > 2 * VSWAP_LEAST_RAM_BYTES);
	assert_int_equal(vswap_set_ram(space, VSWAP_LEAST_RAM_BYTES), 0);
	vswap_statistics(space, &statistics);
	assert_true(statistics.ram_bytes <= VSWAP_LEAST_RAM_BYTES);
	expect_all(space, first, PAGES);
	vswap_close(space);

	options.backend_count = 0;
	assert_int_equal(vswap_open(&space, &options, NULL, 0), 0);
	pages = fill(space, first, &error);
	assert_int_equal(error, -ENOSPC);
	assert_int_equal(vswap_set_ram(space, 2 * VSWAP_LEAST_RAM_BYTES), 0);
	for (more = 0; more < 1024; more++)
		assert_int_equal(put(space, slot_of(first, more), RANDOM + 8 * more), 0);
	expect_all(space, first, pages);
	for (more = (pages / VSWAP_CLUSTER_SLOTS + 1) * VSWAP_CLUSTER_SLOTS; more < PAGES; more++) {
		if (more % VSWAP_CLUSTER_SLOTS == 0)
			assert_int_equal(vswap_bind(space, &first[more / VSWAP_CLUSTER_SLOTS]), 0);
		if (put(space, slot_of(first, more), RANDOM + 8 * more))
			break;
	}
	assert_int_equal(vswap_set_ram(space, VSWAP_LEAST_RAM_BYTES), -ENOSPC);
	assert_int_equal(put(space, first[0], RANDOM), -ENOSPC);
	expect_all(space, first, pages);
	more /= VSWAP_CLUSTER_SLOTS;
	for (unsigned int i = 0; i <= more - 64; i++)
		assert_int_equal(vswap_unbind(space, first[i]), 0);
	assert_int_equal(put(space, first[more - 1], RANDOM), 0);
	assert_int_equal(vswap_set_ram(space, VSWAP_LEAST_RAM_BYTES), 0);
	vswap_close(space);
}

/* What is in RAM leaves once there is somewhere to go, and comes back when that goes. */
static void test_backend_comes_and_goes(void **state)
{
	struct vswap_statistics statistics = {.size = sizeof(statistics)};
	struct vswap *space = open_space(NULL);
	vswap_slot first[CLUSTERS];
	char message[256] = "";
	unsigned int pages;
	int error;

	pages = fill(space, first, &error);
	assert_int_equal(error, -ENOSPC);
	assert_int_equal(
		vswap_backend_add(space, "file:/tmp,size=40M,name=one", message, sizeof(message)),
		0);
	assert_string_equal(message, "");
	for (unsigned int i = pages; i < PAGES; i++) {
		if (i % VSWAP_CLUSTER_SLOTS == 0)
			assert_int_equal(vswap_bind(space, &first[i / VSWAP_CLUSTER_SLOTS]), 0);
		assert_int_equal(put(space, slot_of(first, i), RANDOM + 8 * i), 0);
	}
	expect_all(space, first, PAGES);
	/* There is no room elsewhere: it stays, and works. */
	assert_int_equal(vswap_backend_remove(space, "one", message, sizeof(message)), -ENOSPC);
	assert_non_null(strstr(message, "no room"));
	expect_all(space, first, PAGES);
	for (unsigned int i = 0; i < PAGES; i += 2)
		assert_int_equal(put(space, slot_of(first, i), RANDOM + 8 * i), 0);
	assert_int_equal(vswap_backend_add(space, "file:/tmp,size=40M,name=two,seal=no", NULL, 0),
			 0);
	assert_int_equal(vswap_backend_remove(space, "one", message, sizeof(message)), 0);
	expect_all(space, first, PAGES);
	/* What remains fits into RAM. */
	for (unsigned int i = 1024; i < PAGES; i++)
		assert_int_equal(vswap_drop(space, slot_of(first, i)), 0);
	assert_int_equal(vswap_backend_remove(space, "two", NULL, 0), 0);
	expect_all(space, first, 1024);
	assert_int_equal(vswap_statistics(space, &statistics), 0);
	assert_int_equal(statistics.backend_bytes, 0);
	assert_true(statistics.ram_bytes <= VSWAP_LEAST_RAM_BYTES);
	vswap_close(space);
}

static void test_backend_refused(void **state)
{
	struct vswap *space = open_space("file:/tmp,size=1M,name=one");
	char message[256] = "";

	assert_int_equal(vswap_backend_add(space, "tape:/dev/st0", message, sizeof(message)),
			 -EINVAL);
	assert_non_null(strstr(message, "tape"));
	assert_int_equal(
		vswap_backend_add(space, "file:/tmp,size=1M,name=one", message, sizeof(message)),
		-EEXIST);
	assert_non_null(strstr(message, "name="));
	assert_int_equal(vswap_backend_remove(space, "two", message, sizeof(message)), -ENOENT);
	assert_non_null(strstr(message, "two"));
	assert_int_equal(vswap_backend_remove(space, "one", NULL, 0), 0);
	/* A set of those that ever were has so many bits. */
	for (unsigned int i = 1; i < 16; i++) {
		assert_int_equal(vswap_backend_add(space, "file:/tmp,size=1M,name=one", NULL, 0),
				 0);
		assert_int_equal(vswap_backend_remove(space, "one", NULL, 0), 0);
	}
	assert_int_equal(
		vswap_backend_add(space, "file:/tmp,size=1M,name=one", message, sizeof(message)),
		-ENOSPC);
	assert_non_null(strstr(message, "16"));
	vswap_close(space);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_duplicate_and_fork),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_backend),
		cmocka_unit_test(test_limit_changes),
		cmocka_unit_test(test_backend_comes_and_goes),
		cmocka_unit_test(test_backend_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
