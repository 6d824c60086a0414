/* SPDX-License-Identifier: MIT */
/* Description: the file backend: extents, writes, reads, errors, no room, every kind of path. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend/backend.h"

#define EXTENT BACKEND_EXTENT_BYTES

static char folder[64];
static char message[MESSAGE_BYTES];

static int make_folder(void **state)
{
	/* Not /tmp: it often is a tmpfs, which has no direct I/O worth testing. */
	strcpy(folder, "/var/tmp/vswap-test-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	return rmdir(folder);
}

static const char *in_folder(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static int open_spec(const char *path, uint64_t size, struct backend **backend)
{
	struct backend_spec spec = {.kind = "file", .name = "test", .size = size, .priority = 3};

	snprintf(spec.path, sizeof(spec.path), "%s", path);
	return backend_open(&spec, backend, message);
}

static struct backend *open_good(const char *path, uint64_t size)
{
	struct backend *backend;

	if (open_spec(path, size, &backend))
		fail_msg("%s", message);
	return backend;
}

static void refuses(const char *path, uint64_t size, int error, const char *part)
{
	struct backend *backend;

	assert_int_equal(open_spec(path, size, &backend), error);
	assert_null(backend);
	if (!strstr(message, part) || !strstr(message, path))
		fail_msg("the message \"%s\" does not name \"%s\" and %s", message, part, path);
}

static void fill(char *bytes, unsigned int seed)
{
	for (size_t i = 0; i < EXTENT / sizeof(uint32_t); i++)
		((uint32_t *)bytes)[i] = (uint32_t)i * 2654435761u ^ seed * 40503u;
}

static char *new_extent(unsigned int seed)
{
	char *bytes = aligned_alloc(BACKEND_ALIGN, EXTENT);

	assert_non_null(bytes);
	fill(bytes, seed);
	return bytes;
}

struct completion {
	int calls, result;
};

static void complete(void *argument, int result)
{
	struct completion *completion = argument;

	completion->calls++;
	completion->result = result;
}

static int write_and_wait(struct backend *backend, uint64_t extent, const void *bytes)
{
	struct completion completion = {0};

	assert_int_equal(backend->operations->write(backend, extent, bytes, complete, &completion),
			 0);
	for (int i = 0; i < 1000 && !completion.calls; i++)
		assert_true(backend->operations->poll(backend, 100) >= 0);
	assert_int_equal(completion.calls, 1);
	return completion.result;
}

/* Writes several extents at once and reads them back in pieces of every alignment. */
static void round_trip(struct backend *backend)
{
	enum { COUNT = 12 };
	static const size_t lengths[] = {1, 16, 4095, 4096, 4097, 65536, 73728, 300001, EXTENT};
	uint64_t extents[COUNT];
	struct completion done[COUNT] = {0};
	char *bytes[COUNT], *got = new_extent(99);
	struct backend_statistics statistics;
	uint64_t before;

	backend->operations->statistics(backend, &statistics);
	before = statistics.written_bytes;
	for (int i = 0; i < COUNT; i++) {
		int error;

		bytes[i] = new_extent((unsigned int)i);
		extents[i] = backend->operations->allocate(backend);
		assert_int_not_equal(extents[i], BACKEND_NO_EXTENT);
		while ((error = backend->operations->write(backend, extents[i], bytes[i], complete,
							   &done[i])) == -EAGAIN)
			assert_true(backend->operations->poll(backend, 1000) >= 0);
		assert_int_equal(error, 0);
	}
	for (int i = 0; i < COUNT; i++) {
		while (!done[i].calls)
			assert_true(backend->operations->poll(backend, 1000) >= 0);
		assert_int_equal(done[i].result, 0);
	}
	for (int i = 0; i < COUNT; i++) {
		for (size_t l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++) {
			size_t at =
				(size_t)(i * 7919 + (int)l * 104729) % (EXTENT - lengths[l] + 1);

			assert_int_equal(backend->operations->read(backend, extents[i] + at,
								   lengths[l], got),
					 0);
			assert_memory_equal(got, bytes[i] + at, lengths[l]);
		}
		assert_int_equal(backend->operations->read(backend, extents[i] + 13, 5000, got + 7),
				 0);
		assert_memory_equal(got + 7, bytes[i] + 13, 5000);
	}
	backend->operations->statistics(backend, &statistics);
	assert_int_equal(statistics.used_bytes, COUNT * EXTENT);
	assert_int_equal(statistics.written_bytes - before, COUNT * EXTENT);
	assert_int_equal(statistics.errors, 0);
	assert_int_equal(backend->operations->health(backend), BACKEND_OK);
	for (int i = 0; i < COUNT; i++) {
		backend->operations->release(backend, extents[i]);
		free(bytes[i]);
	}
	backend->operations->statistics(backend, &statistics);
	assert_int_equal(statistics.used_bytes, 0);
	free(got);
}

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

static void test_new_file_is_unlinked(void **state)
{
	struct backend *backend = open_good(in_folder("new"), 16ull << 20);

	assert_int_equal(access(in_folder("new"), F_OK), -1);
	round_trip(backend);
	backend_close(backend);
	assert_int_equal(access(in_folder("new"), F_OK), -1);
}

static void make_file(const char *path, const char *content)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(content, file);
	fclose(file);
	assert_int_equal(chmod(path, 0600), 0);
}

static void test_users_files(void **state)
{
	const char *path = in_folder("mine");
	struct backend *backend;
	struct stat status;

	make_file(path, "precious");
	refuses(path, 0, -EEXIST, "remove it");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_size, 8);

	make_file(path, "");
	backend = open_good(path, 16ull << 20);
	refuses(path, 0, -EBUSY, "in use");
	round_trip(backend);
	backend_close(backend);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_size, 0);
	unlink(path);
}

/* Who else can open it could read what is in it, and write there. */
static void test_files_of_others(void **state)
{
	char path[128], other[128];
	struct backend *backend;

	strcpy(path, in_folder("shared"));
	strcpy(other, in_folder("other"));
	make_file(path, "");
	for (int shift = 0; shift < 6; shift++) {
		assert_int_equal(chmod(path, 0600 | 1u << shift), 0);
		refuses(path, 0, -EPERM, "chmod 600");
	}
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(link(path, other), 0);
	refuses(path, 0, -EPERM, "names");
	assert_int_equal(unlink(other), 0);
	assert_int_equal(symlink(path, other), 0);
	refuses(other, 0, -ELOOP, path);
	unlink(other);
	if (!geteuid()) {
		assert_int_equal(chown(path, 65534, 65534), 0);
		refuses(path, 0, -EPERM, "another user");
		assert_int_equal(chown(path, 0, 0), 0);
	}
	/* None of that has changed it. */
	backend = open_good(path, 16ull << 20);
	backend_close(backend);
	unlink(path);
	/* A folder's file is new and has no name, wherever the folder is. */
	assert_int_equal(symlink(folder, other), 0);
	backend = open_good(other, 16ull << 20);
	backend_close(backend);
	unlink(other);
}

static void test_bad_paths(void **state)
{
	char fifo[128];

	refuses("/nonexistent/folder/file", 0, -ENOENT, "folder first");
	refuses("/dev/null", 0, -EINVAL, "block device");
	strcpy(fifo, in_folder("fifo"));
	assert_int_equal(mkfifo(fifo, 0600), 0);
	refuses(fifo, 0, -EINVAL, "block device");
	unlink(fifo);
	refuses(folder, 4096, -ENOSPC, "1 MiB");
	if (geteuid())
		refuses("/root-owned-file", 0, -EACCES, "right");
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

/* tmpfs has no disk behind it: it works, and the user hears of it. */
static void test_tmpfs(void **state)
{
	struct backend *backend;

	if (access("/dev/shm", W_OK))
		skip();
	backend = open_good("/dev/shm", 16ull << 20);
	assert_non_null(strstr(message, "RAM"));
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

static void test_unknown_kind(void **state)
{
	struct backend_spec spec = {.kind = "tape"};
	struct backend *backend;

	assert_int_equal(backend_open(&spec, &backend, message), -EINVAL);
	assert_non_null(strstr(message, "tape"));
	assert_non_null(strstr(message, "file:PATH"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_folder),
		cmocka_unit_test(test_new_file_is_unlinked),
		cmocka_unit_test(test_users_files),
		cmocka_unit_test(test_files_of_others),
		cmocka_unit_test(test_bad_paths),
		cmocka_unit_test(test_all_extents),
		cmocka_unit_test(test_discard),
		cmocka_unit_test(test_no_room_is_no_error),
		cmocka_unit_test(test_errors_are_counted),
		cmocka_unit_test(test_without_ring),
		cmocka_unit_test(test_tmpfs),
		cmocka_unit_test(test_reads_beside_writes),
		cmocka_unit_test(test_readahead),
		cmocka_unit_test(test_unknown_kind),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
