// SPDX-License-Identifier: MIT
/*
 * The cleaner empties segments that are mostly dead. Which one first: the
 * cost-benefit rule of the log-structured file system, (1 - u) * age / (1 + u),
 * where u is the part that must be copied and shadows count as dead.
 *
 * The cleaner changes a descriptor only by compare-and-swap from an unlocked
 * word that still names the object. So nobody reads the old place through it,
 * and what cannot be moved now (locked, leaving, not yet published) just stays:
 * every word counts in its segment, and a segment is free when the count is nil.
 */
#include "store/private.h"
#include <assert.h>

struct cleaning {
	struct store *store;
	struct store_writer *writer;
	uint32_t id;
	const unsigned char *frame;
	uint64_t copied; /* bytes */
	bool stuck;	 /* no room to copy to */
};

uint64_t segment_drop_cached(struct store *store);

/* A word may move only if the slot is neither locked nor on its way. */
static bool may_move(desc_t word, desc_t location)
{
	return !(word & DESC_LOCK) && desc_location(word) == desc_location(location);
}

/* Resident: the object is only a clean copy. */
static void drop_shadow(struct cleaning *cleaning, slot_t *slot, desc_t word)
{
	if (slot_change(slot, word, word & ~desc_location(~0ull)))
		store_drop(cleaning->store, word);
}

/* Points the slot at the copy; the flags stay. */
static void repoint(struct cleaning *cleaning, slot_t *slot, desc_t word, desc_t copy)
{
	desc_t flags = word & ~(desc_location(~0ull) | DESC_STATE_MASK);

	if (slot_change(slot, word, copy | flags))
		store_drop(cleaning->store, word);
	else
		store_drop(cleaning->store, copy);
}

static void copy_single(struct cleaning *cleaning, slot_t *slot, uint64_t id, desc_t word)
{
	const unsigned char *from = cleaning->frame + desc_offset(word);
	unsigned char copy[OBJECT_HEADER(1) + PAGE_BYTES + STORE_GRAIN];
	struct object object;
	uint64_t header;
	desc_t moved;

	if (!object_read(from, SEGMENT_BYTES - desc_offset(word), &object) ||
	    object_bytes(object) > sizeof(copy))
		return;
	if (store_reserve(cleaning->writer, 1)) {
		cleaning->stuck = true;
		return;
	}
	object.slot = id;
	header = object_pack(object);
	memcpy(copy, from, object_bytes(object));
	memcpy(copy, &header, sizeof(header));
	moved = writer_append(cleaning->writer, copy, object_bytes(object), 1);
	cleaning->copied += object_bytes(object);
	repoint(cleaning, slot, word, moved);
}

/* Where the words of an object are now; moves or drops each. */
static void clean_slot(struct cleaning *cleaning, uint64_t id, desc_t location)
{
	struct space *space = cleaning->store->space;
	slot_t *slot = space_find_holder(space, id, location);
	desc_t word;

	if (!slot)
		return;
	word = atomic_load_explicit(slot, memory_order_acquire);
	if (!may_move(word, location))
		return;
	if (desc_state(word) == DESC_RESIDENT)
		drop_shadow(cleaning, slot, word);
	else if (desc_state(word) == DESC_STORED)
		copy_single(cleaning, slot, id, word);
}

static void clean_anchor(void *argument, uint32_t anchor, desc_t word)
{
	struct cleaning *cleaning = argument;

	if (!cleaning->stuck)
		clean_slot(cleaning, SLOT_ANCHOR | anchor, word);
}

static void clean_objects(struct cleaning *cleaning, uint32_t used)
{
	struct object object;

	for (uint32_t offset = 0; offset < used && !cleaning->stuck;) {
		if (!object_read(cleaning->frame + offset, used - offset, &object))
			return;
		for (unsigned int i = 0; i < object.pages; i++)
			clean_slot(cleaning, object.slot + i,
				   desc_make_location(cleaning->id, offset,
						      object.pages == 1 ? object_bytes(object) : 0,
						      i));
		offset += object_bytes(object);
	}
}

/* Takes the best sealed segment out of the list, with a hold. 0: none is worth it. */
static uint32_t choose(struct store *store)
{
	uint32_t best = 0;
	double highest = 0;

	pthread_mutex_lock(&store->lock);
	for (uint32_t id = store->sealed.first; id; id = segment_of(store, id)->next) {
		struct segment *segment = segment_of(store, id);
		uint64_t live = segment_live_bytes(segment);
		double u = (double)live / SEGMENT_BYTES;
		double value = (1 - u) * (store->sequence - segment->sequence + 1) / (1 + u);

		if (u < 0.9 && value > highest) {
			highest = value;
			best = id;
		}
	}
	if (best && !segment_hold(segment_of(store, best)))
		best = 0;
	if (best) {
		segment_unlink(store, best);
		segment_set_state(segment_of(store, best), SEGMENT_CLEANING);
	}
	pthread_mutex_unlock(&store->lock);
	return best;
}

uint64_t store_clean(struct store *store, struct store_writer *writer, bool strong)
{
	struct cleaning cleaning = {.store = store, .writer = writer};
	struct segment *segment;
	bool emptied;

	writer->cleaner = true;
	if (segment_drop_cached(store))
		return SEGMENT_BYTES;
	cleaning.id = choose(store);
	if (!cleaning.id)
		return 0;
	segment = segment_of(store, cleaning.id);
	cleaning.frame = frame_address(store, segment->frame);
	clean_objects(&cleaning, segment->used);
	if (LIVE_WORDS(segment->live) > 1 && !cleaning.stuck)
		space_each_anchor(store->space, cleaning.id, clean_anchor, &cleaning);
	store_published(writer);
	emptied = LIVE_WORDS(segment->live) == 1;
	pthread_mutex_lock(&store->lock);
	segment_link(store, cleaning.id, SEGMENT_SEALED);
	pthread_mutex_unlock(&store->lock);
	segment_release(store, cleaning.id, LIVE_WORD);
	atomic_fetch_add(&store->cleaned_segments, emptied);
	atomic_fetch_add(&store->copied_bytes, cleaning.copied);
	return emptied ? SEGMENT_BYTES - cleaning.copied : 0;
}
