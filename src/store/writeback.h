/* SPDX-License-Identifier: MIT */
/* Segments and backends; called by src/tier. */
#ifndef STORE_WRITEBACK_H
#define STORE_WRITEBACK_H

#include <stdbool.h>
#include <stdint.h>

struct backend;
struct store;

/* The tiers of the oldest sealed RAM segment that may be written to one of `tiers`; 0: none. */
uint16_t store_oldest_tiers(struct store *store, uint16_t tiers);

/* The oldest such segment that is on no backend becomes "writing"; its frame is stable
 * and readable until store_segment_written or _unwritten. 0: none. */
uint32_t store_oldest_for_writeback(struct store *store, uint16_t tiers, const void **bytes);

/* Such a segment as it may leave RAM, encrypted and authenticated (seal.h), into `copy`
 * (SEGMENT_BYTES): that is then what the backend must get. Room in it that holds no object becomes
 * zeros. One thread at a time. 0 or -EIO. */
int store_seal(struct store *store, uint32_t segment, void *copy);

/* The backend acknowledged: the segment lives at `extent` of `backend` (a multiple of
 * SEGMENT_BYTES). The frame is given back
 * unless `keep_ram`. A segment that died meanwhile is discarded at once. */
void store_segment_written(struct store *store, uint32_t segment, struct backend *backend,
			   uint64_t extent, bool keep_ram);

/* The write failed: the segment is a sealed RAM segment again. */
void store_segment_unwritten(struct store *store, uint32_t segment);

/* Any live segment of that backend, for draining; reads it into RAM (a frame) and makes
 * it a sealed RAM segment again. `lose`: bytes that cannot be read become zeros, in which there is
 * no object: who wants them gets -EILSEQ. 0 done, -ENOENT none left that is not in use, -ENOSPC no
 * frame, -EIO. */
int store_drain_one(struct store *store, struct backend *backend, bool lose);

/* No segment is on that backend, and none will be: it may be closed. */
void store_forget_backend(struct store *store, const struct backend *backend);

#endif
