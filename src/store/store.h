/* SPDX-License-Identifier: MIT */
/*
 * The store: a log of objects in 1 MiB segments.
 *
 * A descriptor names (segment, offset); the segment table says where that
 * segment is now: in a RAM frame, on a backend, or both. Moving a segment
 * changes one table entry and no descriptor. In a store that never leaves RAM (in_place) single
 * pages go into holes of segments instead (holes.c).
 *
 *   open -> sealed (RAM) -> writing -> on a backend [and in RAM] -> on a backend
 *                  \_ cleaned: live objects copied to an open segment, then freed
 *
 * Methods: log-structured file system (Rosenblum and Ousterhout, 1991),
 * RAMCloud's log cleaner (Rumble and others, 2014).
 *
 * Threads: everything here may be called from any thread; a `store_writer`
 * belongs to one thread at a time. No function waits on a program whose pages
 * are stored. Only store_get and store_fetch_read wait for a device, and only for a
 * segment that is not in RAM.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stddef.h>
#include <stdint.h>
#include "space/space.h"
#include "store/check.h"
#include "store/clean.h"
#include "store/fetch.h"
#include "store/reader.h"
#include "store/statistics.h"
#include "store/writeback.h"
#include "store/writer.h"

#define SEGMENT_BYTES (1u << 20)

/* Which of the tier's backends a segment may be written to: bit i for backend i, 0 for none. */
#define STORE_ANY_TIER UINT16_MAX

struct store;

struct store_config {
	uint64_t ram_bytes;	    /* most that RAM segments may take at first */
	uint64_t ram_bytes_highest; /* address space to set aside: store_set_ram never passes it */
	uint32_t segments;	    /* most segments, RAM and backends together */
	bool seals;		    /* store_seal will be called */
	/* Nothing leaves RAM (before store_open_up): what dies makes room for what comes
	 * (holes.c). */
	bool in_place;
};

/* Opens the store and the space it serves (it hands space_open its drop function). 0, -ENOMEM, or
 * -EIO: no randomness, or no cipher to seal with. */
int store_open(struct store **store, const struct store_config *config, uint32_t clusters);
void store_close(struct store *store);
/*
 * A backend has come: what is in RAM may leave from here on, though not before the cleaner has
 * moved it. Writers are told by their next store_writer_select. `seals`: store_seal may be called
 * from here on. 0, -ENOMEM or -EIO, as store_open; then nothing has changed. Not twice at a time.
 */
int store_open_up(struct store *store, bool seals);
struct space *store_space(struct store *store);

/* The word loses its claim on the object: bytes die. Also space's drop function. */
void store_drop(struct store *store, desc_t word);

/* Changes how much RAM segments may take. Lower: takes effect as segments are
 * written back, cleaned or dropped; store_reserve fails until then. */
void store_set_ram(struct store *store, uint64_t bytes);
/* RAM that segments take now (frames, open ones too). */
uint64_t store_ram_bytes(const struct store *store);

#endif
