/* SPDX-License-Identifier: MIT */
/*
 * Tiers: which segments are where. A thread of its own writes the oldest sealed
 * segments to the backend of highest priority that has room when RAM segments pass
 * their share, cleans when RAM is short or the program idle, and moves
 * writes that failed to the next backend.
 */
#ifndef TIER_TIER_H
#define TIER_TIER_H

#include <stdbool.h>
#include <stdint.h>
#include "backend/backend.h"
#include "store/store.h"
#include "tier/clock.h"

struct tier;

struct tier_config {
	struct store *store;
	struct backend **backends;		       /* opened; the tier does not close them */
	unsigned int backend_count;		       /* at most BACKEND_MOST */
	void (*say)(void *argument, const char *line); /* backend failing, full, ... */
	void *say_argument;
	const struct tier_clock *clock; /* NULL: CLOCK_MONOTONIC */
};

int tier_open(struct tier **tier, const struct tier_config *config);
/* Finishes writes in flight and stops the thread. */
void tier_close(struct tier *tier);

/* RAM segments above this many bytes are written back (when a backend has room) or cleaned. The
 * hard cap that store_set_ram sets is a little above it. Any thread; cheap. */
void tier_set_share(struct tier *tier, uint64_t ram_bytes);
/* How many pages have come and gone so far: while many do, nothing is packed more tightly in idle
 * moments. Any thread; cheap. */
void tier_note_traffic(struct tier *tier, uint64_t pages);
/* Tells the thread that room is needed now (store_reserve failed). Any thread; never blocks. */
void tier_kick(struct tier *tier);
/* Waits until room may have been made, at most timeout_us. False: nothing in sight (no
 * backend with room, nothing to clean): do not wait again soon. */
bool tier_wait_room(struct tier *tier, unsigned int timeout_us);

/* One more. The store has been opened up for it (store.h). One thread at a time; 0, -ENOMEM, or
 * -ENOSPC: there are BACKEND_MOST already. */
int tier_add_backend(struct tier *tier, struct backend *backend);
/* A backend of another priority. Any thread. */
void tier_set_priority(struct tier *tier, struct backend *backend, int priority);
/* Nothing more is written to the backend, or something again. Any thread. */
void tier_retire(struct tier *tier, const struct backend *backend, bool retired);
/* Writes to it are under way. Any thread. */
bool tier_is_writing(struct tier *tier, const struct backend *backend);
/* How many passes the tier's thread has begun. Any thread. */
uint32_t tier_passes(const struct tier *tier);
/* It has begun two more: a backend that was retired before is not looked at by it any more, but for
 * writes under way, and none begins. False: not yet, or it waits for some device. Any thread. */
bool tier_has_noticed(struct tier *tier, uint32_t passes);

#endif
