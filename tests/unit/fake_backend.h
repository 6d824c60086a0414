/* SPDX-License-Identifier: MIT */
/* A backend in memory whose reads and writes fail when told. */
#ifndef TESTS_FAKE_BACKEND_H
#define TESTS_FAKE_BACKEND_H

#include <pthread.h>
#include "backend/backend.h"

struct fake_backend {
	struct backend base;
	pthread_mutex_t lock;
	unsigned char *bytes;
	unsigned int extents;
	_Atomic unsigned int used;
	bool *taken;
	_Atomic bool fail_reads;
};

void fake_backend_open(struct fake_backend *fake, unsigned int extents);
void fake_backend_close(struct fake_backend *fake);
/* Writes at once; the fake has no queue. */
void fake_backend_write(struct fake_backend *fake, uint64_t extent, const void *bytes);

#endif
