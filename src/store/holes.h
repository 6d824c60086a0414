/* SPDX-License-Identifier: MIT */
/*
 * Segments that are filled in place: what dies in them makes room for what comes (holes.c).
 *
 * `lock` covers the hints, and which segments may be filled: one of them becomes CLEANING, or is
 * frozen, only with it held. It is taken before the store's mutex. It is held for some
 * microseconds and never while bytes are encoded; a writer that others may wait for does not wait
 * for it.
 */
#ifndef STORE_HOLES_H
#define STORE_HOLES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "space/descriptor.h"
#include "store/store.h"

struct segment;

#define HOLES_GRAINS (SEGMENT_BYTES / STORE_GRAIN)
#define HOLES_WORDS  (HOLES_GRAINS / 64)

/* One bin for each length of a single page's object, in grains; then one for each power of two. */
#define HOLES_EXACT 258u
#define HOLES_BINS  (HOLES_EXACT + 9u)

/* There was a hole; looked at again before it is filled. */
struct hint {
	uint32_t segment, next;
	uint16_t offset, length; /* grains */
	uint8_t epoch;		 /* the segment's when it was looked through */
};

struct holes {
	pthread_mutex_t lock;
	_Atomic uint64_t *bits; /* HOLES_WORDS a frame; NULL: no segment is filled in place */
	struct hint *hints;
	uint32_t hint_limit, hints_made, hint_free; /* 0 is not used */
	uint32_t first[HOLES_BINS], last[HOLES_BINS];
	uint64_t filled[HOLES_BINS / 64 + 1]; /* one bit a bin that is not empty */
	uint32_t hand;			      /* the segment to look through next */
	uint32_t debt;			      /* grains that were put since the last look */
	uint32_t rest; /* puts without a look, after one that found nothing */
};

/* Where an object goes. Its header stands there already, and its words are counted as live. */
struct hole {
	uint32_t segment, offset; /* bytes */
	unsigned char *at;
};

int holes_open(struct store *store);
void holes_close(struct store *store);
/* A frame's bits and hints are present from here on. False: out of memory. */
bool holes_prepare(struct store *store, uint32_t frame);

/* Memory of bits and hints. The store's mutex is held. */
uint64_t holes_bytes(const struct store *store);

/* A hole for a single page's object of `bytes`. False: none fits, or the lock is taken and the
 * caller does not `wait`. */
bool holes_take(struct store *store, bool wait, const uint64_t header[2], uint32_t bytes,
		struct hole *hole);

/* Room that is taken, or free again, in a segment that is filled in place. The start is taken
 * first and freed last: who walks a segment that nobody fills finds headers at the first bits
 * only. */
void holes_set(struct store *store, struct segment *segment, uint32_t offset, uint32_t bytes);
void holes_clear(struct store *store, struct segment *segment, uint32_t offset, uint32_t bytes);
/* The next byte at or behind `offset` that is taken, below `end`; else `end`. */
uint32_t holes_skip(struct store *store, struct segment *segment, uint32_t offset, uint32_t end);

/* While a segment is frozen, nothing in it becomes another object. Counts; the caller has a hold
 * on the segment. */
void holes_freeze(struct store *store, struct segment *segment);
void holes_thaw(struct store *store, struct segment *segment);

#endif
