// SPDX-License-Identifier: MIT
/*
 * Description: the public API over a backend that fails: a write that fails loses nothing, and a
 * page that cannot be read is an error of that slot alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vswap.h>
#include "pattern.h"

#define CLUSTERS   256u
#define PAGES	   (CLUSTERS * VSWAP_CLUSTER_SLOTS)
#define FILE_BYTES (32 << 20)

/* A file of our own is the backend, so that the test can get at it. */
struct world {
	struct vswap *space;
	vswap_slot first[CLUSTERS];
	char path[64];
	int file;
};

static void open_world(struct world *world)
{
	char spec[128], message[256] = "";
	const char *backend = spec;
	struct vswap_options options = {.size = sizeof(options),
					.ram_bytes = VSWAP_LEAST_RAM_BYTES,
					.slots = PAGES,
					.backends = &backend,
					.backend_count = 1};

	strcpy(world->path, "/tmp/test-vswap-XXXXXX");
	world->file = mkstemp(world->path);
	assert_true(world->file >= 0);
	snprintf(spec, sizeof(spec), "file:%s,size=%d,name=first", world->path, FILE_BYTES);
	assert_int_equal(vswap_open(&world->space, &options, message, sizeof(message)), 0);
	for (unsigned int i = 0; i < CLUSTERS; i++)
		assert_int_equal(vswap_bind(world->space, &world->first[i]), 0);
}

static void close_world(struct world *world)
{
	vswap_close(world->space);
	close(world->file);
	unlink(world->path);
}

static vswap_slot slot_of(const struct world *world, unsigned int page)
{
	return world->first[page / VSWAP_CLUSTER_SLOTS] + page % VSWAP_CLUSTER_SLOTS;
}

/* Pages that no codec makes smaller. */
static int put(struct world *world, unsigned int page)
{
	unsigned char bytes[VSWAP_PAGE_BYTES];

	pattern_fill(3 + 8 * page, bytes);
	return vswap_put(world->space, slot_of(world, page), bytes);
}

/* What a get returns; the page, if there is one, is right. */
static int get(struct world *world, unsigned int page)
{
	unsigned char bytes[VSWAP_PAGE_BYTES];
	int error = vswap_get(world->space, slot_of(world, page), bytes);

	if (!error)
		assert_true(pattern_matches(3 + 8 * page, bytes));
	return error;
}

/* No file of this process may grow, or be written to, beyond so many bytes. */
static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* Puts from that page on until it fails, which must be for want of room; returns how many are in.
 */
static unsigned int put_until_full(struct world *world, unsigned int pages)
{
	while (pages < PAGES && !put(world, pages))
		pages++;
	/* RAM, and what could be written. */
	assert_in_range(pages, 1024, PAGES - 512);
	assert_int_equal(put(world, pages), -ENOSPC);
	assert_int_equal(put(world, 0), -ENOSPC);
	for (unsigned int i = 0; i < pages; i++)
		assert_int_equal(get(world, i), 0);
	return pages;
}

static void test_no_room(void **state)
{
	struct vswap_statistics statistics = {.size = sizeof(statistics)};
	struct world world;

	open_world(&world);
	signal(SIGXFSZ, SIG_IGN);
	limit_files(4 << 20);
	put_until_full(&world, 0);
	limit_files(RLIM_INFINITY);
	assert_int_equal(vswap_statistics(world.space, &statistics), 0);
	assert_in_range(statistics.backend_bytes, 1, 4 << 20);
	close_world(&world);
}

/* The library's own descriptor of the file: the one beside the test's. */
static int find_descriptor(const struct world *world)
{
	struct stat wanted, found;

	assert_int_equal(fstat(world->file, &wanted), 0);
	for (int i = 0; i < 256; i++)
		if (i != world->file && !fstat(i, &found) && found.st_ino == wanted.st_ino &&
		    found.st_dev == wanted.st_dev)
			return i;
	fail();
	return -1;
}

/* Nothing can be written to the file that the library has open; it can still be read. */
static void test_writes_fail(void **state)
{
	struct world world;
	unsigned int pages;
	int there, kept, only_read;

	open_world(&world);
	there = find_descriptor(&world);
	kept = dup(there);
	only_read = open(world.path, O_RDONLY | (fcntl(there, F_GETFL) & O_DIRECT));
	assert_true(kept >= 0 && only_read >= 0);
	for (pages = 0; pages < 2560; pages++)
		assert_int_equal(put(&world, pages), 0);
	assert_int_equal(dup2(only_read, there), there);
	pages = put_until_full(&world, pages);
	/* The device is well again. */
	assert_int_equal(dup2(kept, there), there);
	for (; pages < PAGES; pages++)
		assert_int_equal(put(&world, pages), 0);
	for (unsigned int i = 0; i < pages; i++)
		assert_int_equal(get(&world, i), 0);
	close(kept);
	close(only_read);
	close_world(&world);
}

/* How many pages cannot be read, each with that error. */
static unsigned int count_lost(struct world *world, int error)
{
	unsigned int lost = 0;

	for (unsigned int i = 0; i < PAGES; i++) {
		int result = get(world, i);

		if (result)
			assert_int_equal(result, error);
		lost += result != 0;
	}
	return lost;
}

/* The pages that are lost can be put anew; none is in anybody's way. */
static void put_anew(struct world *world)
{
	struct vswap_statistics statistics = {.size = sizeof(statistics)};

	for (unsigned int i = 0; i < PAGES; i++)
		if (get(world, i))
			assert_int_equal(put(world, i), 0);
	assert_int_equal(count_lost(world, 0), 0);
	for (unsigned int i = 0; i < CLUSTERS; i++)
		assert_int_equal(vswap_unbind(world->space, world->first[i]), 0);
	assert_int_equal(vswap_statistics(world->space, &statistics), 0);
	assert_int_equal(statistics.stored_bytes, 0);
	assert_int_equal(statistics.backend_bytes, 0);
}

static int replace_backend(struct world *world, char message[256])
{
	assert_int_equal(vswap_backend_add(world->space, "file:/tmp,size=64M,name=other", NULL, 0),
			 0);
	return vswap_backend_remove(world->space, "first", message, 256);
}

static void test_reads_fail(void **state)
{
	struct world world;
	char message[256];
	unsigned int lost;

	open_world(&world);
	for (unsigned int i = 0; i < PAGES; i++)
		assert_int_equal(put(&world, i), 0);
	/* A page that ends where the file does not. */
	assert_int_equal(ftruncate(world.file, 0), 0);
	lost = count_lost(&world, -EIO);
	assert_in_range(lost, PAGES - (VSWAP_LEAST_RAM_BYTES / VSWAP_PAGE_BYTES), PAGES - 1);
	/* What cannot be read stays where it is, and so does the backend. */
	assert_int_equal(replace_backend(&world, message), -EIO);
	assert_non_null(strstr(message, "first"));
	assert_int_equal(count_lost(&world, -EIO), lost);
	put_anew(&world);
	close_world(&world);
}

static void test_reads_are_wrong(void **state)
{
	unsigned char zeros[VSWAP_PAGE_BYTES] = {0};
	struct world world;
	char message[256];
	unsigned int lost;

	open_world(&world);
	for (unsigned int i = 0; i < PAGES; i++)
		assert_int_equal(put(&world, i), 0);
	for (off_t at = 0; at < FILE_BYTES; at += (off_t)sizeof(zeros))
		assert_int_equal(pwrite(world.file, zeros, sizeof(zeros), at), sizeof(zeros));
	lost = count_lost(&world, -EILSEQ);
	assert_in_range(lost, PAGES - (VSWAP_LEAST_RAM_BYTES / VSWAP_PAGE_BYTES), PAGES - 1);
	/* What is not what was stored is not it elsewhere either. */
	assert_int_equal(replace_backend(&world, message), 0);
	assert_int_equal(count_lost(&world, -EILSEQ), lost);
	put_anew(&world);
	close_world(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_writes_fail),
		cmocka_unit_test(test_reads_fail),
		cmocka_unit_test(test_reads_are_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
