/* SPDX-License-Identifier: MIT */
/*
 * The store: a log of objects in 1 MiB segments.
 *
 * A descriptor names (segment, offset); the segment table says where that
 * segment is now: in a RAM frame, on a backend, or both. Moving a segment
 * changes one table entry and no descriptor.
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

#define SEGMENT_BYTES (1u << 20)

/* Which of the tier's backends a segment may be written to: bit i for backend i, 0 for none. */
#define STORE_ANY_TIER UINT16_MAX

struct store;
struct store_writer;
struct backend;

struct store_config {
	uint64_t ram_bytes;	    /* most that RAM segments may take at first */
	uint64_t ram_bytes_highest; /* address space to set aside: store_set_ram never passes it */
	uint32_t segments;	    /* most segments, RAM and backends together */
	bool seals;		    /* store_seal will be called */
};

/* Opens the store and the space it serves (it hands space_open its drop function). 0, -ENOMEM, or
 * -EIO: no randomness, or no cipher to seal with. */
int store_open(struct store **store, const struct store_config *config, uint32_t clusters);
void store_close(struct store *store);
struct space *store_space(struct store *store);

/* ---- writing ---- */

/* A writer owns the open segments that it appends to. */
int store_writer_open(struct store *store, struct store_writer **writer);
/* Seals what is open. */
void store_writer_close(struct store_writer *writer);
/* From here on it fills segments for these tiers (at first: any), and goes on with the open one
 * that it has for them. Everything put so far is published. */
void store_writer_select(struct store_writer *writer, uint16_t tiers);

/*
 * Makes sure that the next `pages` calls of store_put by this writer cannot
 * fail: takes empty frames up front (worst case: nothing compresses). 0, or
 * -ENOSPC when RAM segments are at their limit: write back, clean, or give up. Segments that may
 * never leave RAM get less than half of it, so that others can pass through the rest. Never
 * allocates later.
 */
int store_reserve(struct store_writer *writer, unsigned int pages);

/*
 * Stores one page of 4096 bytes for `slot` (its id goes to the header). Returns
 * the unlocked word that now stands for it: DESC_ZERO, DESC_SAME or DESC_STORED.
 * The caller puts it into the descriptor by compare-and-swap and, when that
 * fails, gives it to space_drop. The new object is not moved or freed by the
 * cleaner before the writer's next call of store_published (objects of open
 * segments are never touched, and a segment that was filled since is not sealed
 * before then).
 */
desc_t store_put(struct store_writer *writer, uint64_t slot, const void *page);
void store_published(struct store_writer *writer);

/* ---- reading ---- */

/*
 * The 4096 bytes of a word that the caller has locked (or which is in no
 * table): DESC_ZERO, DESC_SAME, DESC_STORED, or DESC_RESIDENT with a location.
 * For DESC_SHARED the store locks the anchor itself. Verifies the checksum.
 * 0, -EILSEQ (does not match), -EIO (device), both after every copy was tried.
 */
int store_get(struct store *store, desc_t word, void *page);
/* The same, but -EAGAIN instead of waiting for a device. */
int store_try_get(struct store *store, desc_t word, void *page);
/* True when store_get would not wait for a device. */
bool store_is_fast(struct store *store, desc_t word);

/*
 * Reading from a device without a lock on the descriptor (fetch.c). While a fetch lasts, a
 * descriptor that has its word again, and for which store_fetch_is is true, stands for the
 * bytes that were read.
 */
struct store_fetch {
	desc_t word;	 /* the descriptor's */
	desc_t location; /* what was behind it */
};
/* The caller has the slot of the swapped `word` locked. False: it is in no segment. */
bool store_fetch_begin(struct store *store, desc_t word, struct store_fetch *fetch);
/* As store_get. Any thread. */
int store_fetch_read(struct store *store, const struct store_fetch *fetch, void *page);
/* What the backend has of it in buffers of its own is read anew. */
void store_fetch_distrust(struct store *store, const struct store_fetch *fetch);
/* The caller has a slot with the fetch's word locked. */
bool store_fetch_is(struct store *store, const struct store_fetch *fetch);
/* Where the bytes are now; NULL: in RAM only. */
struct backend *store_fetch_backend(struct store *store, const struct store_fetch *fetch);
void store_fetch_end(struct store *store, const struct store_fetch *fetch);

/*
 * True if the object at the word's location holds exactly these bytes (clean
 * page): decoded and compared, unless their checksums differ. Only for objects in RAM: false
 * otherwise. Caller has the descriptor locked or leaving.
 */
bool store_is_same(struct store *store, desc_t word, const void *page);
/* The same of a page that is swapped out already, perhaps by another memory: the caller has its
 * descriptor locked. For DESC_SHARED the store locks the anchor itself. */
bool store_holds(struct store *store, desc_t word, const void *page);

/* The word loses its claim on the object: bytes die. Also space's drop function. */
void store_drop(struct store *store, desc_t word);

/* ---- room ---- */

/* Changes how much RAM segments may take. Lower: takes effect as segments are
 * written back, cleaned or dropped; store_reserve fails until then. */
void store_set_ram(struct store *store, uint64_t bytes);
/* RAM that segments take now (frames, open ones too). */
uint64_t store_ram_bytes(const struct store *store);
/* What of it is live objects; the rest is what cleaning could give back. Walks the segment
 * table: some 10 ns a segment. */
uint64_t store_live_bytes(struct store *store);

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

/* ---- segments and backends (called by src/tier) ---- */

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
 * it a sealed RAM segment again. 0 done, -ENOENT none left, -ENOSPC no frame, -EIO. */
int store_drain_one(struct store *store, struct backend *backend);

/* ---- statistics ---- */

struct store_statistics {
	uint64_t ram_bytes;	     /* frames in use, whole */
	uint64_t header_bytes;	     /* of live objects, tags too */
	uint64_t metadata_bytes;     /* segment table and all else that is resident */
	uint64_t live_bytes;	     /* objects that descriptors name, headers included */
	uint64_t shadow_bytes;	     /* of these, needed only as clean copies */
	uint64_t zero, same, stored; /* slots of each kind now */
	uint64_t put_zero, put_same; /* pages ever put, by kind */
	uint64_t put_word, put_lz4, put_raw;
	uint64_t put_encoded_bytes; /* what the last three took */
	uint64_t recoded_pages;	    /* by the cleaner, to zstd */
	uint64_t recoded_bytes;
	uint64_t cleaned_segments, copied_bytes;
	uint64_t bad_reads;
	uint32_t segments_ram, segments_backend;
};
/* Walks the segments and clusters: some 300 ns for each of both. */
void store_statistics(struct store *store, struct store_statistics *statistics);
struct segment_place {
	bool in_ram;
	struct backend *backend; /* NULL: none */
	uint64_t extent;	 /* byte offset on it */
};
void store_segment_place(struct store *store, uint32_t segment, struct segment_place *place);
/* Codec and stored bytes of a word's object, for `vswap where`. -ENOENT if it has none. */
int store_describe(struct store *store, desc_t word, const char **codec, uint32_t *bytes,
		   unsigned int *pages);
/* Walks every segment and descriptor; aborts on a broken invariant. Quiescent callers only. */
void store_check(struct store *store);

#endif
