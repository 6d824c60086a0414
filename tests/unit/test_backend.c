/* SPDX-License-Identifier: MIT */
/* Description: the file backend: extents, writes, reads, errors, no room. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend_fixture.h"

static void test_folder(void **state)
{
	struct backend *backend = open_good(folder, 64ull << 20);

	assert_string_equal(backend->name, "test");
	assert_int_equal(backend->priority, 3);
	round_trip(backend);
	assert_true(backend->operations->poll(backend, 0) >= 0);
	round_trip(backend);
	backend_close(backend);
}

static void test_all_extents(void **state)
{
	enum { COUNT = 70 };
	struct backend *backend = open_good(folder, (uint64_t)COUNT * EXTENT + 4096);
	bool seen[COUNT] = {false};
	uint64_t extent;

	for (int i = 0; i < COUNT; i++) {
		extent = backend->operations->allocate(backend);
		assert_true(extent % EXTENT == 0 && extent / EXTENT < COUNT);
		assert_false(seen[extent / EXTENT]);
		seen[extent / EXTENT] = true;
	}
	assert_int_equal(backend->operations->allocate(backend), BACKEND_NO_EXTENT);
	backend->operations->release(backend, 7 * EXTENT);
	assert_int_equal(backend->operations->allocate(backend), 7 * EXTENT);
	assert_int_equal(backend->operations->allocate(backend), BACKEND_NO_EXTENT);
	backend_close(backend);
}

/* What was released and not used again gives its room back to the file system. */
static void test_discard(void **state)
{
	struct backend *backend;
	struct stat before, after;
	const char *path = in_folder("sparse");
	char *bytes = new_extent(1);
	uint64_t extent[4];

	make_file(path, "");
	backend = open_good(path, 16ull << 20);
	for (int i = 0; i < 4; i++) {
		extent[i] = backend->operations->allocate(backend);
		assert_int_equal(write_and_wait(backend, extent[i], bytes), 0);
	}
	assert_int_equal(stat(path, &before), 0);
	assert_true(before.st_blocks >= 4 * EXTENT / 512);
	for (int i = 1; i < 4; i++)
		backend->operations->release(backend, extent[i]);
	for (int i = 0; i < 4; i++)
		backend->operations->poll(backend, 0);
	assert_int_equal(stat(path, &after), 0);
	assert_true(after.st_blocks <= before.st_blocks - 3 * (EXTENT / 512));
	memset(bytes, 0, EXTENT);
	assert_int_equal(backend->operations->read(backend, extent[0], EXTENT, bytes), 0);
	assert_int_equal(((uint32_t *)bytes)[1], 2654435761u ^ 40503u);
	backend_close(backend);
	unlink(path);
	free(bytes);
}

/* A limit on file sizes that comes down while we run is a full file: no error of the device. */
static void test_no_room_is_no_error(void **state)
{
	struct backend *backend = open_good(folder, 16ull << 20);
	char *bytes = new_extent(1);
	uint64_t first = backend->operations->allocate(backend);
	uint64_t second = backend->operations->allocate(backend);
	struct rlimit old, small;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(write_and_wait(backend, first, bytes), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = EXTENT;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(write_and_wait(backend, second, bytes), -ENOSPC);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(backend->operations->health(backend), BACKEND_OK);
	assert_int_equal(backend->operations->allocate(backend), BACKEND_NO_EXTENT);
	/* Giving room back ends it. */
	backend->operations->release(backend, second);
	backend->operations->poll(backend, 0);
	assert_int_not_equal(backend->operations->allocate(backend), BACKEND_NO_EXTENT);
	backend_close(backend);
	free(bytes);
}

static void test_errors_are_counted(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC); /* the number that the backend gets */
	struct backend *backend;
	struct backend_statistics statistics;
	char *bytes = new_extent(1);
	uint64_t extent;
	int unwritable;

	assert_true(fd >= 0);
	close(fd);
	backend = open_good(folder, 16ull << 20);
	extent = backend->operations->allocate(backend);
	assert_int_equal(write_and_wait(backend, extent, bytes), 0);
	unwritable = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(dup2(unwritable, fd), fd);
	close(unwritable);
	assert_int_equal(write_and_wait(backend, extent, bytes), -EBADF);
	assert_int_equal(backend->operations->health(backend), BACKEND_FAILING);
	assert_int_equal(backend->operations->read(backend, extent, 64, bytes), -EIO);
	for (int i = 0; i < 8; i++)
		assert_int_equal(write_and_wait(backend, extent, bytes), -EBADF);
	assert_int_equal(backend->operations->health(backend), BACKEND_DEAD);
	backend->operations->statistics(backend, &statistics);
	assert_int_equal(statistics.errors, 10);
	backend_close(backend);
	free(bytes);
}

/* Where the kernel or a sandbox gives no io_uring. */
static void test_without_ring(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct rlimit old, tight;
	struct backend *backend;

	close(fd);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	tight = old;
	tight.rlim_cur = (rlim_t)fd + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	backend = open_good(folder, 32ull << 20);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	round_trip(backend);
	backend_close(backend);
}

static struct backend *shared;

static void *read_many(void *argument)
{
	unsigned int seed = (unsigned int)(uintptr_t)argument;
	char *expected = new_extent(5), got[20000];
	long bad = 0;

	for (int i = 0; i < 200; i++) {
		size_t at = (size_t)rand_r(&seed) % (EXTENT - sizeof(got));
		size_t length = 1 + (size_t)rand_r(&seed) % sizeof(got);

		if (shared->operations->read(shared, at, length, got) ||
		    memcmp(got, expected + at, length))
			bad++;
	}
	free(expected);
	return (void *)bad;
}

static void test_reads_beside_writes(void **state)
{
	pthread_t threads[3];
	char *bytes = new_extent(5);
	uint64_t extent;

	shared = open_good(folder, 32ull << 20);
	assert_int_equal(shared->operations->allocate(shared), 0);
	assert_int_equal(write_and_wait(shared, 0, bytes), 0);
	for (uintptr_t i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_many, (void *)i), 0);
	for (int i = 0; i < 20; i++) {
		extent = shared->operations->allocate(shared);
		assert_int_equal(write_and_wait(shared, extent, bytes), 0);
		shared->operations->release(shared, extent);
	}
	for (int i = 0; i < 3; i++) {
		void *bad;

		pthread_join(threads[i], &bad);
		assert_null(bad);
	}
	backend_close(shared);
	free(bytes);
}

/* Readahead: reads that go on where the last ended take few reads of the device, random ones take
 * no more than they need, and what was written since is seen. */
static void test_readahead(void **state)
{
	struct backend *backend = open_good(folder, 16ull << 20);
	struct backend_statistics statistics;
	char *bytes = new_extent(1), got[2000];
	uint64_t extent = backend->operations->allocate(backend);
	uint64_t before;

	assert_int_equal(write_and_wait(backend, extent, bytes), 0);
	for (size_t at = 0; at + sizeof(got) <= EXTENT; at += sizeof(got)) {
		assert_int_equal(backend->operations->read(backend, extent + at, sizeof(got), got),
				 0);
		assert_memory_equal(got, bytes + at, sizeof(got));
	}
	backend->operations->statistics(backend, &statistics);
	assert_true(statistics.read_bytes < EXTENT + EXTENT / 4);
	before = statistics.read_bytes;
	for (size_t at = EXTENT / 2; at > 100000; at -= 50000)
		assert_int_equal(backend->operations->read(backend, extent + at, 100, got), 0);
	backend->operations->statistics(backend, &statistics);
	assert_true(statistics.read_bytes - before < 8 * 4096);

	backend->operations->release(backend, extent);
	fill(bytes, 2);
	while ((extent = backend->operations->allocate(backend)) != BACKEND_NO_EXTENT)
		assert_int_equal(write_and_wait(backend, extent, bytes), 0);
	/* The last windows were filled here. */
	for (size_t at = EXTENT - 200000; at + sizeof(got) <= EXTENT; at += sizeof(got)) {
		assert_int_equal(backend->operations->read(backend, at, sizeof(got), got), 0);
		assert_memory_equal(got, bytes + at, sizeof(got));
	}
	backend_close(backend);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_folder),
		cmocka_unit_test(test_all_extents),
		cmocka_unit_test(test_discard),
		cmocka_unit_test(test_no_room_is_no_error),
		cmocka_unit_test(test_errors_are_counted),
		cmocka_unit_test(test_without_ring),
		cmocka_unit_test(test_reads_beside_writes),
		cmocka_unit_test(test_readahead),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
