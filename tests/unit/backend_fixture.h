/* SPDX-License-Identifier: MIT */
/* File backends in a folder of the test's, and what its tests do with them. */
#ifndef TESTS_BACKEND_FIXTURE_H
#define TESTS_BACKEND_FIXTURE_H

#include "backend/backend.h"

#define EXTENT BACKEND_EXTENT_BYTES

extern char folder[64], message[MESSAGE_BYTES];

int make_folder(void **state);
int remove_folder(void **state);
/* Its path, until the next call. */
const char *in_folder(const char *name);
/* A new one there, mode 600. */
void make_file(const char *path, const char *content);

int open_spec(const char *path, uint64_t size, struct backend **backend);
/* The test fails where it cannot be opened. */
struct backend *open_good(const char *path, uint64_t size);

/* An extent's bytes, others for each seed. */
void fill(char *bytes, unsigned int seed);
char *new_extent(unsigned int seed);

struct completion {
	int calls, result;
};

/* A backend's completion function; `argument` is a struct completion. */
void complete(void *argument, int result);
int write_and_wait(struct backend *backend, uint64_t extent, const void *bytes);
/* Writes several extents at once and reads them back in pieces of every alignment. */
void round_trip(struct backend *backend);

#endif
