/* SPDX-License-Identifier: MIT */
/*
 * What the files of this folder share.
 *
 *   table    | segment 1 | segment 2 | ...        64 bytes a segment, sparse
 *   frames   |   1 MiB   |   1 MiB   | ...        the arena, sparse
 *
 * A segment, by state (who may change what is at the field):
 *
 *   FREE -> SPARE -> OPEN -> SEALED -> WRITING -> CACHED -> BACKEND
 *                             |  ^ \_____|  \________________^ |
 *                             v  |____________ LOADING <-------+
 *                          CLEANING
 *
 * `live` counts the words that name the segment, and one hold for everyone who
 * works on it (its writer, a write in flight, the cleaner). It never rises from
 * nothing, so whoever takes the last count, and nobody else, frees the segment.
 *
 * A reader pins the segment while it looks at the frame or the extent. Who
 * takes a frame or an extent away first takes it out of the table, then waits
 * until there is no pin.
 *
 * The store's mutex covers states, lists and free frames. It is taken once a
 * segment, not once a page.
 */
#ifndef STORE_PRIVATE_H
#define STORE_PRIVATE_H

#include <pthread.h>
#include <xxhash.h>
#include "backend/backend.h"
#include "codec/codec.h"
#include "store/holes.h"
#include "store/object.h"
#include "store/store.h"

#define FRAME_NONE UINT32_MAX

enum segment_state {
	SEGMENT_FREE,
	SEGMENT_SPARE,	  /* has a frame, a writer will open it */
	SEGMENT_OPEN,	  /* a writer appends */
	SEGMENT_SEALED,	  /* in RAM only; in the sealed list */
	SEGMENT_WRITING,  /* in RAM, a copy is on its way to a backend */
	SEGMENT_CACHED,	  /* in RAM and on a backend; in the cached list */
	SEGMENT_BACKEND,  /* on a backend only */
	SEGMENT_LOADING,  /* on a backend, on its way to RAM */
	SEGMENT_CLEANING, /* in RAM only, the cleaner empties it */
};

/* The fields of `live`: words (with holds), words of runs among them, grains of single pages. */
#define LIVE_WORD	 (1ull << 40)
#define LIVE_RUN	 (1ull << 20)
#define LIVE_FIELD	 0xfffffull
#define LIVE_WORDS(live) ((live) >> 40)

struct segment {
	_Atomic uint64_t live;
	uint64_t serial;	/* of the sealed copy on the backend; 0: it is not sealed */
	uint32_t extent;	/* where that begins, in units of SEGMENT_BYTES */
	_Atomic uint32_t frame; /* its index in the arena */
	_Atomic uint32_t pins;
	_Atomic uint32_t shadow;	       /* estimate: bytes that are only clean copies */
	uint32_t previous, next;	       /* in a list; free: the next free one */
	uint32_t sequence;		       /* age: order of sealing */
	_Atomic uint32_t used;		       /* bytes appended, or filled in place: that have
						* memory; final once sealed */
	_Atomic uint32_t run_bytes, run_slots; /* ever appended */
	_Atomic uint8_t state;
	_Atomic uint8_t backend; /* index + 1 in the store's backends; 0: none */
	bool recoded : 1;	 /* the strong codec has been here */
	bool untagged : 1;     /* its objects may have no room for a seal's tag; set as in_place */
	_Atomic bool in_place; /* filled again where something died; set before it is opened */
	uint16_t tiers;	       /* that may have it (store.h); set before it is opened */
	uint8_t frozen, epoch; /* holes.h; its lock */
};
_Static_assert(sizeof(struct segment) == 64, "one cache line a segment");

struct segment_list {
	uint32_t first, last; /* oldest first */
	uint32_t count;
};

/* What a reading thread needs, preallocated; taken for the time of one call. */
struct reader {
	_Atomic bool busy;
	unsigned int number; /* its opener, too (seal.h) */
	struct codec *codec;
	unsigned char *buffer; /* OBJECT_HIGHEST bytes, for objects read from a device */
};

#define READERS	 SEAL_OPENERS
#define BACKENDS 255u
#define SPARES	 20u /* frames that a writer can hold ready */
/* The pages of a run, and the object made of them. */
#define WRITER_SCRATCH (CODEC_MAX_PAGES * PAGE_BYTES + OBJECT_HIGHEST)
/* The encoder may write past its result's end within this room. */
#define ENCODE_ROOM (PAGE_BYTES + 64u)
#define PUT_ROOM    (OBJECT_HEADER(1) + ENCODE_ROOM)
#define WARM_FRAMES 4u /* most empty frames kept populated */
/* Frames are populated in such steps, ahead of their writer. */
#define POPULATE_STEP (128u << 10)
/* Frames below the limit that only the cleaner may take, so that it can always go on. */
#define CLEANER_FRAMES 2u
/* Frames that segments which never leave RAM do not get half of. */
#define PASSING_FRAMES 4u

struct put_counts {
	_Atomic uint64_t zero, same, kind[4], bytes, recoded_pages, recoded_bytes;
};

/* Different tiers that a writer has segments open for; with more of them, some are sealed early. */
#define STREAMS 8u

/* Being filled. */
struct open_segment {
	unsigned char *base; /* its frame; NULL: none open */
	uint32_t id;
	uint32_t offset;
	uint32_t ready; /* the frame is populated below it */
	uint16_t tiers;
	bool in_place;
};

struct store_writer {
	struct store *store;
	struct store_writer *next;
	struct codec *codec;
	struct open_segment open, parked[STREAMS - 1]; /* in use; those for other tiers */
	unsigned int parked_count;
	uint32_t filled[SPARES], filled_count; /* to be sealed when published */
	uint32_t spare[SPARES], spare_count;
	uint32_t spare_ready[SPARES]; /* their frames are populated below it */
	bool cleaner;		      /* may use the last frames */
	bool recodes;		      /* what it fills now counts as recoded */
	unsigned char *scratch; /* WRITER_SCRATCH bytes, sparse: only the cleaner touches them */
	unsigned char *single;	/* PUT_ROOM bytes: an object whose place is not known yet */
	uint32_t sequence;	/* the cleaner: age of what it copies; 0: now */
	struct put_counts counts;
};

/* A checksum that nobody outside can compute, or find two pages of. */
#define SECRET_BYTES 192u

struct store {
	struct space *space;
	unsigned char secret[SECRET_BYTES]; /* of this run */
	_Atomic(struct seal *) seal;	    /* NULL: no backend seals */
	struct segment *table;
	uint32_t segment_limit; /* ids are below it */
	unsigned char *frames;
	uint32_t frame_highest; /* frames in the arena */

	pthread_mutex_t lock;
	uint32_t segment_free;
	_Atomic uint32_t segments_made;
	struct segment_list sealed, cached;
	uint32_t sequence;
	uint32_t frame_limit;
	uint32_t frames_moving; /* the cleaner's limit where that is higher: since store_open_up,
				 * lower with each frame that is given back */
	uint32_t *frame_free; /* stack of frames that were used and given back */
	uint32_t frame_free_count, frames_made;
	uint32_t warm[WARM_FRAMES];
	_Atomic uint32_t warm_count;
	_Atomic uint32_t frames_used; /* in segments; warm ones not counted */
	_Atomic uint32_t frames_kept; /* of these, in segments that no backend may have */
	struct backend *backends[BACKENDS];
	struct store_writer *writers;
	struct put_counts closed; /* of writers that were closed */
	uint32_t drain_at;	  /* where that walk goes on */

	atomic_bool in_place; /* single pages go where others died; nothing leaves RAM */
	struct holes holes;
	struct reader readers[READERS];
	_Atomic uint64_t cleaned_segments, copied_bytes, bad_reads;
	_Atomic uint32_t segments_backend;
};

/* The checksum of a page. It tells what cannot be equal; what must be is compared byte by byte. */
static inline uint64_t page_hash(const struct store *store, const void *page)
{
	return XXH3_64bits_withSecret(page, PAGE_BYTES, store->secret, SECRET_BYTES);
}

/* ---- reader.c ---- */
struct reader *reader_take(struct store *store);
void reader_return(struct reader *reader);

/* Decodes page `index` (< 0: all) of an object, which may hold anything; no checksum. */
int object_decode(struct codec *codec, const unsigned char *bytes, uint32_t room, int index,
		  void *pages);

/* Opens the object at `offset` of a sealed copy; in and out may be the same. 0 or -EILSEQ. */
static inline int segment_unseal(struct store *store, struct reader *reader,
				 const struct segment *segment, uint32_t offset, const void *in,
				 uint32_t bytes, void *out)
{
	return seal_unseal(store->seal, reader->number, segment->serial, offset, in, bytes, out);
}

/* ---- writer.c ---- */

/* Makes the object of a page that is neither zero nor the same throughout; `at` has PUT_ROOM bytes.
 * Returns its length. */
uint32_t writer_encode(struct store_writer *writer, uint64_t slot, const void *page,
		       unsigned char *at);

/* What is put from here on goes to segments that are filled in place, or to a log. Everything put
 * so far is published. */
void writer_select(struct store_writer *writer, bool in_place);
/* Puts a single page's object into a hole and counts its word as live; nothing need be reserved.
 * 0: there is none, or the store is a log. */
desc_t writer_fill(struct store_writer *writer, const void *object, uint32_t bytes);
/* Puts an object behind the others and counts all its words as live. */
desc_t writer_append(struct store_writer *writer, const void *object, uint32_t bytes,
		     unsigned int pages);
static inline void count_add(_Atomic uint64_t *counter, uint64_t more)
{
	/* One writer, several readers. */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more,
			      memory_order_relaxed);
}

/* ---- writeback.c ---- */

/* Gives back the frame of the oldest segment that is on a backend too. Bytes freed. */
uint64_t segment_drop_cached(struct store *store);
/* Takes a segment out of its list (mutex held), to work on it; the caller has a hold. */
void segment_claim(struct store *store, uint32_t id, enum segment_state state);
/* Brings a claimed segment into RAM and off its backend; its state is then `to` (SEALED, or
 * CLEANING), or `was` when that failed. `lose`: as in store_drain_one. */
int segment_recall(struct store *store, uint32_t id, enum segment_state was, enum segment_state to,
		   bool lose);

#endif
