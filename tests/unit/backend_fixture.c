// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "backend_fixture.h"

char folder[64], message[MESSAGE_BYTES];

int make_folder(void **state)
{
	/* Not /tmp: it often is a tmpfs, which has no direct I/O worth testing. */
	strcpy(folder, "/var/tmp/test-vswap-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

int remove_folder(void **state)
{
	return rmdir(folder);
}

const char *in_folder(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

int open_spec(const char *path, uint64_t size, struct backend **backend)
{
	struct backend_spec spec = {.kind = "file", .name = "test", .size = size, .priority = 3};

	snprintf(spec.path, sizeof(spec.path), "%s", path);
	return backend_open(&spec, backend, message);
}

struct backend *open_good(const char *path, uint64_t size)
{
	struct backend *backend;

	if (open_spec(path, size, &backend))
		fail_msg("%s", message);
	return backend;
}

void fill(char *bytes, unsigned int seed)
{
	for (size_t i = 0; i < EXTENT / sizeof(uint32_t); i++)
		((uint32_t *)bytes)[i] = (uint32_t)i * 2654435761u ^ seed * 40503u;
}

char *new_extent(unsigned int seed)
{
	char *bytes = aligned_alloc(BACKEND_ALIGN, EXTENT);

	assert_non_null(bytes);
	fill(bytes, seed);
	return bytes;
}

void complete(void *argument, int result)
{
	struct completion *completion = argument;

	completion->calls++;
	completion->result = result;
}

int write_and_wait(struct backend *backend, uint64_t extent, const void *bytes)
{
	struct completion completion = {0};

	assert_int_equal(backend->operations->write(backend, extent, bytes, complete, &completion),
			 0);
	for (int i = 0; i < 1000 && !completion.calls; i++)
		assert_true(backend->operations->poll(backend, 100) >= 0);
	assert_int_equal(completion.calls, 1);
	return completion.result;
}

void round_trip(struct backend *backend)
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

void make_file(const char *path, const char *content)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(content, file);
	fclose(file);
	assert_int_equal(chmod(path, 0600), 0);
}
