// SPDX-License-Identifier: MIT
#include "fake_backend.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct fake_backend *fake_of(struct backend *backend)
{
	return (struct fake_backend *)backend;
}

static uint64_t fake_allocate(struct backend *backend)
{
	struct fake_backend *fake = fake_of(backend);
	uint64_t extent = BACKEND_NO_EXTENT;

	pthread_mutex_lock(&fake->lock);
	for (unsigned int i = 0; i < fake->extents && extent == BACKEND_NO_EXTENT; i++) {
		if (fake->taken[i])
			continue;
		fake->taken[i] = true;
		fake->used++;
		extent = (uint64_t)i * BACKEND_EXTENT_BYTES;
	}
	pthread_mutex_unlock(&fake->lock);
	return extent;
}

static void fake_release(struct backend *backend, uint64_t extent)
{
	struct fake_backend *fake = fake_of(backend);

	pthread_mutex_lock(&fake->lock);
	if (!fake->taken[extent / BACKEND_EXTENT_BYTES])
		abort();
	fake->taken[extent / BACKEND_EXTENT_BYTES] = false;
	fake->used--;
	/* A discard: whoever reads it now gets other bytes. */
	memset(fake->bytes + extent, 0xa5, BACKEND_EXTENT_BYTES);
	pthread_mutex_unlock(&fake->lock);
}

static int fake_read(struct backend *backend, uint64_t offset, size_t length, void *bytes)
{
	struct fake_backend *fake = fake_of(backend);

	if (fake->fail_reads || offset + length > (uint64_t)fake->extents * BACKEND_EXTENT_BYTES)
		return -EIO;
	memcpy(bytes, fake->bytes + offset, length);
	return 0;
}

static const struct backend_operations operations = {
	.kind = "fake",
	.allocate = fake_allocate,
	.release = fake_release,
	.read = fake_read,
};

void fake_backend_open(struct fake_backend *fake, unsigned int extents)
{
	memset(fake, 0, sizeof(*fake));
	fake->base.operations = &operations;
	strcpy(fake->base.name, "fake");
	pthread_mutex_init(&fake->lock, NULL);
	fake->bytes = malloc((size_t)extents * BACKEND_EXTENT_BYTES);
	fake->taken = calloc(extents, sizeof(*fake->taken));
	fake->extents = extents;
	if (!fake->bytes || !fake->taken)
		abort();
}

void fake_backend_close(struct fake_backend *fake)
{
	free(fake->bytes);
	free(fake->taken);
	pthread_mutex_destroy(&fake->lock);
}

void fake_backend_write(struct fake_backend *fake, uint64_t extent, const void *bytes)
{
	memcpy(fake->bytes + extent, bytes, BACKEND_EXTENT_BYTES);
}
