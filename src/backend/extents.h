/* SPDX-License-Identifier: MIT */
/*
 * Which extents of a backend are taken: two bitmaps, allocated once.
 *
 * An extent is free or used, and apart from that clean or stale (bytes were written
 * to it that a discard has not taken away yet). Freeing is only a bit, so that
 * a page's owner who drops the last object of a segment never waits for a
 * device; the submitting thread discards what is free and stale later, in runs,
 * and an extent that is written again first needs no discard at all.
 *
 * Next fit: segments written one after the other lie one after the other.
 */
#ifndef BACKEND_EXTENTS_H
#define BACKEND_EXTENTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define EXTENTS_NONE UINT64_MAX

struct extents {
	pthread_mutex_t lock; /* everything below */
	uint64_t count;
	uint64_t used;	     /* taken by callers */
	uint64_t stale_free; /* free and stale: what a discard could take */
	uint64_t next;	     /* where the next search begins */
	uint64_t discard_at; /* the same for the next discard */
	uint64_t *used_map, *stale_map;
};

/* Extents 0..count-1, all free. 0 or -ENOMEM. */
int extents_open(struct extents *extents, uint64_t count);
void extents_close(struct extents *extents);
/* Any thread; never allocates. EXTENTS_NONE: all used. */
uint64_t extents_take(struct extents *extents);
/* Any thread. The extent was taken. */
void extents_give(struct extents *extents, uint64_t extent);
/* About to be written. */
void extents_set_stale(struct extents *extents, uint64_t extent);
uint64_t extents_used(struct extents *extents);

/* Holds up to `longest` free stale neighbours so that nobody takes them while they are discarded.
 * Returns how many from *first on; 0: none. */
uint64_t extents_discard_begin(struct extents *extents, uint64_t longest, uint64_t *first);
void extents_discard_end(struct extents *extents, uint64_t first, uint64_t count);

#endif
