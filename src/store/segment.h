/* SPDX-License-Identifier: MIT */
/* The segment table, its lists, and the frames of RAM segments. Private to src/store. */
#ifndef STORE_SEGMENT_H
#define STORE_SEGMENT_H

#include "store/private.h"

static inline struct segment *segment_of(struct store *store, uint32_t id)
{
	return &store->table[id];
}

static inline enum segment_state segment_state(struct segment *segment)
{
	return (enum segment_state)atomic_load_explicit(&segment->state, memory_order_acquire);
}

static inline void segment_set_state(struct segment *segment, enum segment_state state)
{
	atomic_store_explicit(&segment->state, (uint8_t)state, memory_order_release);
}

static inline unsigned char *frame_address(struct store *store, uint32_t frame)
{
	return store->frames + (size_t)frame * SEGMENT_BYTES;
}

/* What a location adds to `live`. A run's length is not in the word. */
static inline uint64_t live_of(desc_t word)
{
	uint32_t length = desc_length(word);

	return LIVE_WORD + (length ? length / STORE_GRAIN : LIVE_RUN);
}

/* An empty segment, one hold. Its frame is populated below *ready only. 0: at the limit. */
uint32_t segment_new(struct store *store, bool for_cleaner, uint32_t *ready);
/* Adds to `live` unless the segment is dead; a hold is LIVE_WORD. */
bool segment_count(struct segment *segment, uint64_t live);
static inline bool segment_hold(struct segment *segment)
{
	return segment_count(segment, LIVE_WORD);
}
/* Takes `live` away; frees the segment when nothing is left. */
void segment_release(struct store *store, uint32_t id, uint64_t live);
/* An open segment with `used` bytes is done; gives up its writer's hold. sequence 0: it is
 * the youngest. */
void segment_seal(struct store *store, uint32_t id, uint32_t used, uint32_t sequence);
/* Estimated bytes of live objects. */
uint64_t segment_live_bytes(struct segment *segment);

/* The list that segments of a state are in, or NULL. Mutex held for both. */
void segment_link(struct store *store, uint32_t id, enum segment_state state);
void segment_unlink(struct store *store, uint32_t id);

/* Waits until nobody looks at the old place any more. */
void segment_wait_pins(struct segment *segment);

/* A frame, FRAME_NONE at the limit. Mutex held; populate it without. */
uint32_t frame_take(struct store *store, bool for_cleaner);
/* Gives it back, without the mutex. Only one that is populated whole may stay warm. */
void frame_return(struct store *store, uint32_t frame, bool whole);
/* Its memory goes back to the kernel. */
void frame_forget(struct store *store, uint32_t frame);
/* True if a segment with so many bytes used has a frame that is populated whole. */
static inline bool frame_is_whole(uint32_t used)
{
	return used >= SEGMENT_BYTES - POPULATE_STEP;
}

/* The next object at or behind *offset of a segment that nobody fills. False: there is none, or
 * what stands there is none. */
static inline bool segment_next(struct store *store, struct segment *segment,
				const unsigned char *frame, uint32_t *offset, struct object *object)
{
	if (segment->in_place)
		*offset = holes_skip(store, segment, *offset, segment->used);
	return object_read(frame + *offset, segment->used - *offset, object);
}

/* It is from the time before a backend came, and cannot go there: its objects must be moved. */
static inline bool segment_must_move(const struct store *store, const struct segment *segment)
{
	return !store->in_place && (segment->in_place || (segment->untagged && store->seal));
}

/* It may be written to a backend, as far as that is known here. */
static inline bool segment_may_leave(const struct store *store, const struct segment *segment)
{
	return !segment->in_place && !(segment->untagged && store->seal);
}

static inline uint64_t segment_extent(const struct segment *segment)
{
	return (uint64_t)segment->extent * SEGMENT_BYTES;
}

struct backend *segment_backend(struct store *store, struct segment *segment);

#endif
