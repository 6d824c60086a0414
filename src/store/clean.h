/* SPDX-License-Identifier: MIT */
/* Cleaning: what is alive in segments that are mostly dead is copied together. */
#ifndef STORE_CLEAN_H
#define STORE_CLEAN_H

#include <stdbool.h>
#include <stdint.h>

struct backend;
struct store;
struct store_writer;

/*
 * One step of cleaning: gives back the RAM copy of a segment that is on a backend too, or
 * empties the segment with the best cost-benefit, re-encoding cold neighbours with zstd when
 * `strong`. Shadows in it are dropped. Returns how many bytes of RAM segments this made free or
 * free to be filled (0: nothing worth it). One thread; the writer is used for nothing else. It
 * may take the last two frames, so that cleaning goes on when store_reserve fails for others.
 *
 * Shadows: the store is not told when a stored page becomes resident or the other way round. It
 * guesses from store_get (a stored word will be resident) and store_is_same (it will be stored
 * again), and looks at the descriptors before it cleans.
 */
uint64_t store_clean(struct store *store, struct store_writer *cleaner, bool strong);

/*
 * Brings the emptiest segment of a backend (if less than half is live) into RAM and cleans it,
 * so that its extent becomes free. Returns bytes freed on the backend, 0: none is worth it or no
 * frame. Same thread and writer as store_clean.
 */
uint64_t store_compact(struct store *store, struct store_writer *cleaner, struct backend *backend);

#endif
