/* SPDX-License-Identifier: MIT */
#include "tier/drain.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/thread.h"

/* The thread's stack: reading takes 80 KiB (backend.h). */
#define STACK_BYTES (256u << 10)
#define AGAIN_US    100000
/* What is left is in somebody's use. */
#define BUSY_US 1000
#define ROOM_US 100000u

struct drain {
	struct drain_config config;
	pthread_t thread;
	uint32_t passes; /* of the tier's thread, when the backend was retired */
	atomic_bool cancel, ended;
	atomic_uint unreadable;
	int error; /* valid once it has ended */
};

static uint64_t left_bytes(const struct drain *drain)
{
	struct backend *backend = drain->config.backend;
	struct backend_statistics statistics;

	backend->operations->statistics(backend, &statistics);
	return statistics.used_bytes;
}

/* After one that could not be read. They come in turn: once around it is tried again later. */
static void count_unreadable(struct drain *drain)
{
	uint64_t left = left_bytes(drain) / SEGMENT_BYTES;

	if (++drain->unreadable < left)
		return;
	drain->unreadable = (unsigned int)left;
	usleep(AGAIN_US);
}

/* What became of one segment. 0: go on. */
static int judge(struct drain *drain, int result, uint64_t *since)
{
	uint64_t now = monotonic_ns();

	switch (result) {
	case 0:
		drain->unreadable = 0;
		*since = now;
		return 0;
	case -ENOENT:
		usleep(BUSY_US);
		return now - *since > drain->config.patience_ns ? -ETIMEDOUT : 0;
	case -ENOSPC:
		tier_wait_room(drain->config.tier, ROOM_US);
		return now - *since > drain->config.patience_ns ? -ENOSPC : 0;
	default:
		count_unreadable(drain);
		return now - *since > drain->config.patience_ns ? -EIO : 0;
	}
}

/* Nothing is there, and nothing comes: in this order. */
static bool is_empty(const struct drain *drain)
{
	const struct drain_config *config = &drain->config;

	return tier_has_noticed(config->tier, drain->passes) &&
	       !tier_is_writing(config->tier, config->backend) && !left_bytes(drain);
}

static int empty(struct drain *drain)
{
	const struct drain_config *config = &drain->config;
	uint64_t since = monotonic_ns();
	int error = 0;

	while (!error && !drain->cancel) {
		if (is_empty(drain))
			return 0;
		error = judge(drain, store_drain_one(config->store, config->backend, config->lose),
			      &since);
	}
	return error ? error : -ECANCELED;
}

static void *run(void *argument)
{
	struct drain *drain = argument;

	pthread_setname_np(pthread_self(), "vswap-drain");
	drain->error = empty(drain);
	if (drain->error)
		tier_retire(drain->config.tier, drain->config.backend, false);
	atomic_store(&drain->ended, true);
	return NULL;
}

int drain_start(struct drain **out, const struct drain_config *config)
{
	struct drain *drain = calloc(1, sizeof(*drain));
	int error;

	if (!drain)
		return -ENOMEM;
	drain->config = *config;
	tier_retire(config->tier, config->backend, true);
	drain->passes = tier_passes(config->tier);
	error = thread_start(&drain->thread, STACK_BYTES, run, drain);
	if (error) {
		tier_retire(config->tier, config->backend, false);
		free(drain);
		return error;
	}
	*out = drain;
	return 0;
}

void drain_look(struct drain *drain, struct drain_status *status)
{
	status->ended = atomic_load(&drain->ended);
	status->error = status->ended ? drain->error : 0;
	status->unreadable = drain->unreadable;
	status->left_bytes = left_bytes(drain);
}

void drain_cancel(struct drain *drain)
{
	drain->cancel = true;
}

void drain_free(struct drain *drain)
{
	pthread_join(drain->thread, NULL);
	free(drain);
}
