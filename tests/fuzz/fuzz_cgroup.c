/* SPDX-License-Identifier: MIT */
/* Fuzzer (libFuzzer): what the kernel says of cgroups is read within its bounds, or refused. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup/cgroup_parse.h"

#define ROOM 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(_Bool condition)
{
	if (!condition)
		abort();
}

/* Just as large as it may be used, so that what goes past it is seen. */
static char *room(void)
{
	char *text = calloc(1, ROOM);

	require(text != NULL);
	return text;
}

static void is_path(const char *path)
{
	require(path[0] == '/' && memchr(path, '\0', ROOM));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *path = room(), *point = room();
	uint64_t value;

	require(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	if (cgroup_parse_membership(text, path, ROOM) != CGROUP_NONE)
		is_path(path);
	if (cgroup_parse_mount(text, path, point, ROOM) != CGROUP_NONE) {
		is_path(path);
		is_path(point);
	}
	if (cgroup_parse_bytes(text, &value))
		require(value <= CGROUP_UNLIMITED);
	cgroup_parse_member(text, "total_active_file", &value);
	cgroup_parse_member(text, "a", &value);
	cgroup_parse_stalled(text, &value);
	free(text);
	free(path);
	free(point);
	return 0;
}
