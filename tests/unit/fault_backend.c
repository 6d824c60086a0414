/* SPDX-License-Identifier: MIT */
#include "fault_backend.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DEPTH	   8
#define DEAD_AFTER 5

enum extent_state { FREE, TAKEN, WRITTEN };

struct write {
	uint64_t extent;
	const void *bytes;
	backend_done_fn done; /* NULL: free */
	void *argument;
	int64_t due; /* ns */
};

struct fault_backend {
	struct backend backend;
	struct fault_controls controls;
	pthread_mutex_t lock; /* states and used */
	unsigned int extents;
	uint64_t used;
	unsigned char *states;
	char *bytes;
	struct write writes[DEPTH];
	unsigned int in_flight, sequence;
	atomic_uint errors_in_row;
	_Atomic uint64_t errors, read_bytes;
};

static const struct backend_operations operations;

static struct fault_backend *of(struct backend *backend)
{
	return (struct fault_backend *)backend;
}

static void require(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "fault backend: %s\n", what);
	abort();
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

/* True, and one less, while there are any. */
static bool take_one(atomic_int *count)
{
	int left = atomic_load(count);

	while (left > 0 && !atomic_compare_exchange_weak(count, &left, left - 1))
		;
	return left > 0;
}

struct backend *fault_backend_open(const char *name, int priority, unsigned int extents)
{
	struct fault_backend *fault = calloc(1, sizeof(*fault));

	require(fault, "no memory");
	fault->backend.operations = &operations;
	fault->backend.priority = priority;
	snprintf(fault->backend.name, sizeof(fault->backend.name), "%s", name);
	fault->extents = extents;
	fault->states = calloc(extents, 1);
	fault->bytes = malloc((size_t)extents * BACKEND_EXTENT_BYTES);
	require(fault->states && fault->bytes, "no memory");
	pthread_mutex_init(&fault->lock, NULL);
	fault->controls.write_error = EIO;
	fault->controls.room = extents;
	return &fault->backend;
}

struct fault_controls *fault_backend_controls(struct backend *backend)
{
	return &of(backend)->controls;
}

static void fault_close(struct backend *backend)
{
	struct fault_backend *fault = of(backend);

	require(!fault->in_flight, "closed with writes in flight");
	pthread_mutex_destroy(&fault->lock);
	free(fault->states);
	free(fault->bytes);
	free(fault);
}

static uint64_t fault_allocate(struct backend *backend)
{
	struct fault_backend *fault = of(backend);
	uint64_t extent = BACKEND_NO_EXTENT;

	pthread_mutex_lock(&fault->lock);
	for (unsigned int i = 0; i < fault->extents && fault->used < fault->controls.room; i++) {
		if (fault->states[i] != FREE)
			continue;
		fault->states[i] = TAKEN;
		fault->used++;
		extent = (uint64_t)i * BACKEND_EXTENT_BYTES;
		break;
	}
	pthread_mutex_unlock(&fault->lock);
	return extent;
}

static unsigned char *state_of(struct fault_backend *fault, uint64_t extent)
{
	require(extent % BACKEND_EXTENT_BYTES == 0 &&
			extent / BACKEND_EXTENT_BYTES < fault->extents,
		"no extent of ours");
	return &fault->states[extent / BACKEND_EXTENT_BYTES];
}

static void fault_release(struct backend *backend, uint64_t extent)
{
	struct fault_backend *fault = of(backend);

	pthread_mutex_lock(&fault->lock);
	require(*state_of(fault, extent) != FREE, "released twice");
	memset(fault->bytes + extent, 0xdd, BACKEND_EXTENT_BYTES);
	*state_of(fault, extent) = FREE;
	fault->used--;
	pthread_mutex_unlock(&fault->lock);
}

static int fault_write(struct backend *backend, uint64_t extent, const void *bytes,
		       backend_done_fn done, void *argument)
{
	struct fault_backend *fault = of(backend);
	struct write *write = fault->writes;

	while (write < fault->writes + DEPTH && write->done)
		write++;
	if (write == fault->writes + DEPTH)
		return -EAGAIN;
	require(*state_of(fault, extent) != FREE, "written while free");
	require((uintptr_t)bytes % BACKEND_ALIGN == 0, "bytes not aligned");
	*write = (struct write){extent, bytes, done, argument,
				now_ns() + fault->controls.delay_us * 1000ll};
	if (++fault->in_flight > fault->controls.most_in_flight)
		fault->controls.most_in_flight = fault->in_flight;
	return 0;
}

static int outcome(struct fault_backend *fault)
{
	int one_in = fault->controls.fail_one_in;

	fault->sequence++;
	if (take_one(&fault->controls.fail_writes) || (one_in && fault->sequence % one_in == 0))
		return -fault->controls.write_error;
	return 0;
}

static void complete(struct fault_backend *fault, struct write *write)
{
	backend_done_fn done = write->done;
	int result = outcome(fault);

	if (result == 0) {
		memcpy(fault->bytes + write->extent, write->bytes, BACKEND_EXTENT_BYTES);
		pthread_mutex_lock(&fault->lock);
		*state_of(fault, write->extent) = WRITTEN;
		pthread_mutex_unlock(&fault->lock);
		fault->controls.writes++;
		fault->errors_in_row = 0;
	} else if (result != -ENOSPC) {
		fault->errors++;
		fault->errors_in_row++;
	}
	write->done = NULL;
	fault->in_flight--;
	done(write->argument, result);
}

static int complete_due(struct fault_backend *fault)
{
	int count = 0;

	if (fault->controls.stalled)
		return 0;
	for (int i = 0; i < DEPTH; i++) {
		struct write *write = &fault->writes[i];

		if (write->done && write->due <= now_ns()) {
			complete(fault, write);
			count++;
		}
	}
	return count;
}

static int fault_poll(struct backend *backend, int timeout_ms)
{
	struct fault_backend *fault = of(backend);
	int64_t end = now_ns() + timeout_ms * 1000000ll;
	int count = complete_due(fault);

	while (!count && timeout_ms && fault->in_flight && now_ns() < end) {
		usleep(100);
		count = complete_due(fault);
	}
	return count;
}

static int fault_read(struct backend *backend, uint64_t offset, size_t length, void *bytes)
{
	struct fault_backend *fault = of(backend);
	uint64_t extent = offset / BACKEND_EXTENT_BYTES * BACKEND_EXTENT_BYTES;

	pthread_mutex_lock(&fault->lock);
	require(*state_of(fault, extent) == WRITTEN, "read before it was written");
	require(offset + length <= extent + BACKEND_EXTENT_BYTES, "read past the extent");
	memcpy(bytes, fault->bytes + offset, length);
	pthread_mutex_unlock(&fault->lock);
	if (take_one(&fault->controls.fail_reads)) {
		fault->errors++;
		return -EIO;
	}
	if (take_one(&fault->controls.corrupt_reads))
		((char *)bytes)[length / 2] ^= 1;
	fault->read_bytes += length;
	return 0;
}

static enum backend_health fault_health(struct backend *backend)
{
	unsigned int errors = of(backend)->errors_in_row;

	if (errors >= DEAD_AFTER)
		return BACKEND_DEAD;
	return errors ? BACKEND_FAILING : BACKEND_OK;
}

static void fault_statistics(struct backend *backend, struct backend_statistics *statistics)
{
	struct fault_backend *fault = of(backend);

	pthread_mutex_lock(&fault->lock);
	*statistics = (struct backend_statistics){
		.capacity_bytes = (uint64_t)fault->extents * BACKEND_EXTENT_BYTES,
		.used_bytes = fault->used * BACKEND_EXTENT_BYTES,
		.read_bytes = fault->read_bytes,
		.written_bytes = (uint64_t)fault->controls.writes * BACKEND_EXTENT_BYTES,
		.errors = fault->errors,
	};
	pthread_mutex_unlock(&fault->lock);
}

static const struct backend_operations operations = {
	.kind = "fault",
	.close = fault_close,
	.allocate = fault_allocate,
	.release = fault_release,
	.write = fault_write,
	.poll = fault_poll,
	.read = fault_read,
	.health = fault_health,
	.statistics = fault_statistics,
};
