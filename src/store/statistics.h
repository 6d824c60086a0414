/* SPDX-License-Identifier: MIT */
/* Figures of a store. Any thread. */
#ifndef STORE_STATISTICS_H
#define STORE_STATISTICS_H

#include <stdbool.h>
#include <stdint.h>

struct backend;
struct store;

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

/* Walks the segments and slots: some 300 ns a segment, less than one a slot. */
void store_statistics(struct store *store, struct store_statistics *statistics);

/* What of store_ram_bytes is live objects; the rest is what cleaning could give back. Walks the
 * segment table: some 10 ns a segment. */
uint64_t store_live_bytes(struct store *store);

struct segment_place {
	bool in_ram;
	struct backend *backend; /* NULL: none */
	uint64_t extent;	 /* byte offset on it */
};

void store_segment_place(struct store *store, uint32_t segment, struct segment_place *place);

#endif
