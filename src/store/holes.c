// SPDX-License-Identifier: MIT
/*
 * Filling holes.
 *
 * A log wants room to copy into: at 90 % of use each byte that is put costs four and a half that
 * are copied, at 95 % eleven. What never goes to a device needs no log. So single pages of a store
 * that stays in RAM go where others died.
 *
 *   bits      one a grain of 16 bytes, 1: taken. Set by who puts, cleared by who drops, without a
 *             lock: neighbours that died are one hole, without anybody merging them.
 *   hints     holes that were seen, by length: 257 lengths and powers of two above. The shortest
 *             that fits is taken, the first that was seen among equals, and the rest of it is a
 *             hint again. With a whole store to choose from most fit exactly.
 *   hand      goes round the segments, one for each 64 KiB that are put, and looks through the
 *             bits: 2 us for 8 KiB. A segment's epoch tells its new hints from those before.
 *
 * A hint is proved when it is used, so it may be wrong in any way: the segment has died, was
 * cleaned, is another now, the room is taken. Then it is dropped. Where nothing fits the object is
 * appended to an open segment, as in a log; store_reserve promises that, and the cleaner makes
 * such room by moving the emptiest segment's objects into holes.
 *
 * Chosen by simulation (128 MiB, sizes of real heaps, random, oldest-first and grouped deaths;
 * bytes copied a byte put at 80 / 90 / 95 / 97 % of use): log 1.8 / 4.6 / 11; refilling one segment
 * after the other 0 / 0.07 / 0.9, four at once 0 / 0.06 / 0.75; this 0 / 0 / 0 / 0.1.
 *
 * Who may still look at an object that died? A word is dropped after it left its slot, so readers,
 * who lock the slot, are through. Who reads without the slot's lock trusts that a word that is
 * still there names the bytes that it read: the cleaner does so in the segment that it empties
 * (CLEANING, never filled) and in those of neighbours that it packs (frozen meanwhile). A fetch
 * does so too, but only from segments that are or were on a device, which are never filled in
 * place. A shadow is the word of its slot like any other.
 *
 * Runs of pages do not lie here: a word does not say how long its run is, nor a run who of it
 * lives. They are cold, and have segments of their own, which are logs.
 */
#include "store/holes.h"

#include <errno.h>
#include "space/map.h"
#include "store/private.h"
#include "store/segment.h"

#define BITS_BYTES (HOLES_WORDS * sizeof(uint64_t))
/* Hints that there may be for each frame, and their place in memory. */
#define FRAME_HINTS 64u
#define HINT_BYTES  (FRAME_HINTS * sizeof(struct hint))
/* Shorter holes cannot take any object; they wait for a neighbour to die. */
#define HOLE_LEAST 2u
/* A segment is looked through for each so many grains that were put. */
#define LOOK_EVERY 4096u
/* With fewer grains free a segment is passed over. */
#define LOOK_LEAST 64u
/* Segments that one look passes over at most; looks for one object; puts before the next look
 * when there was nothing to look through. */
#define PASS_MOST 64u
#define LOOKS	  4u
#define REST	  32u
/* Hints that are tried for one object. */
#define TRIES 256u

static size_t page_up(size_t bytes)
{
	return (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

int holes_open(struct store *store)
{
	struct holes *holes = &store->holes;

	pthread_mutex_init(&holes->lock, NULL);
	holes->bits = map_sparse(store->frame_highest * BITS_BYTES);
	holes->hints = map_sparse(page_up(store->frame_highest * HINT_BYTES));
	holes->hint_limit = 1;
	holes->hints_made = 1;
	return holes->bits && holes->hints ? 0 : -ENOMEM;
}

void holes_close(struct store *store)
{
	struct holes *holes = &store->holes;

	if (!holes->bits && !holes->hints)
		return;
	map_remove((void *)holes->bits, store->frame_highest * BITS_BYTES);
	map_remove(holes->hints, page_up(store->frame_highest * HINT_BYTES));
	pthread_mutex_destroy(&holes->lock);
}

static _Atomic uint64_t *bits_of(struct store *store, uint32_t frame)
{
	return store->holes.bits + (size_t)frame * HOLES_WORDS;
}

bool holes_prepare(struct store *store, uint32_t frame)
{
	struct holes *holes = &store->holes;
	size_t from = frame * HINT_BYTES / PAGE_BYTES * PAGE_BYTES;

	if (!map_populate((void *)bits_of(store, frame), BITS_BYTES) ||
	    !map_populate((char *)holes->hints + from, page_up((frame + 1) * HINT_BYTES) - from))
		return false;
	pthread_mutex_lock(&holes->lock);
	if (holes->hint_limit < (frame + 1) * FRAME_HINTS)
		holes->hint_limit = (frame + 1) * FRAME_HINTS;
	pthread_mutex_unlock(&holes->lock);
	return true;
}

uint64_t holes_bytes(const struct store *store)
{
	/* Frames that were given back have none. */
	uint64_t frames = store->frames_made - store->frame_free_count;

	return store->holes.bits ? frames * BITS_BYTES + store->frames_made * HINT_BYTES : 0;
}

/* ---- bits ---- */

/* The bits of [from, to) in the word of `from`. */
static uint64_t mask_of(uint32_t from, uint32_t to)
{
	uint64_t mask = ~0ull << from % 64;

	return to / 64 == from / 64 ? mask & ((1ull << to % 64) - 1) : mask;
}

static uint32_t word_end(uint32_t grain, uint32_t end)
{
	uint32_t next = (grain / 64 + 1) * 64;

	return next < end ? next : end;
}

void holes_set(struct store *store, struct segment *segment, uint32_t offset, uint32_t bytes)
{
	_Atomic uint64_t *bits = bits_of(store, segment->frame);
	uint32_t end = (offset + bytes) / STORE_GRAIN;

	for (uint32_t at = offset / STORE_GRAIN; at < end; at = word_end(at, end))
		atomic_fetch_or_explicit(&bits[at / 64], mask_of(at, end), memory_order_release);
}

void holes_clear(struct store *store, struct segment *segment, uint32_t offset, uint32_t bytes)
{
	_Atomic uint64_t *bits = bits_of(store, segment->frame);
	uint32_t start = offset / STORE_GRAIN, end = start + bytes / STORE_GRAIN;

	while (end > start) {
		uint32_t from = (end - 1) / 64 * 64;

		from = from > start ? from : start;
		atomic_fetch_and_explicit(&bits[from / 64], ~mask_of(from, end),
					  memory_order_release);
		end = from;
	}
}

/* The first grain of [at, end) that is taken, or free; else `end`. */
static uint32_t next_grain(_Atomic uint64_t *bits, uint32_t at, uint32_t end, bool taken)
{
	while (at < end) {
		uint64_t word = atomic_load_explicit(&bits[at / 64], memory_order_acquire);

		word = (taken ? word : ~word) & ~0ull << at % 64;
		if (word) {
			at = at / 64 * 64 + (uint32_t)__builtin_ctzll(word);
			return at < end ? at : end;
		}
		at = (at / 64 + 1) * 64;
	}
	return end;
}

uint32_t holes_skip(struct store *store, struct segment *segment, uint32_t offset, uint32_t end)
{
	return next_grain(bits_of(store, segment->frame), offset / STORE_GRAIN, end / STORE_GRAIN,
			  true) *
	       STORE_GRAIN;
}

/* ---- hints ---- */

static unsigned int bin_of(uint32_t length)
{
	if (length <= HOLES_EXACT)
		return length - 1;
	return HOLES_EXACT + 23 - (unsigned int)__builtin_clz(length);
}

static void forget_hints(struct holes *holes)
{
	for (unsigned int bin = 0; bin < HOLES_BINS; bin++)
		holes->first[bin] = holes->last[bin] = 0;
	for (unsigned int i = 0; i <= HOLES_BINS / 64; i++)
		holes->filled[i] = 0;
	holes->hints_made = 1;
	holes->hint_free = 0;
}

static uint32_t hint_new(struct holes *holes)
{
	uint32_t id = holes->hint_free;

	if (id) {
		holes->hint_free = holes->hints[id].next;
		return id;
	}
	/* Most are stale then. */
	if (holes->hints_made == holes->hint_limit)
		forget_hints(holes);
	return holes->hints_made < holes->hint_limit ? holes->hints_made++ : 0;
}

static void hint_add(struct holes *holes, struct hint hint)
{
	unsigned int bin;
	uint32_t id;

	if (hint.length < HOLE_LEAST || !(id = hint_new(holes)))
		return;
	bin = bin_of(hint.length);
	hint.next = 0;
	holes->hints[id] = hint;
	*(holes->first[bin] ? &holes->hints[holes->last[bin]].next : &holes->first[bin]) = id;
	holes->last[bin] = id;
	holes->filled[bin / 64] |= 1ull << bin % 64;
}

/* The oldest hint of the shortest holes that are not below `length`. */
static bool hint_take(struct holes *holes, uint32_t length, struct hint *hint)
{
	unsigned int bin = bin_of(length), word = bin / 64;
	uint64_t bits = holes->filled[word] & ~0ull << bin % 64;
	uint32_t id;

	while (!bits && ++word <= HOLES_BINS / 64)
		bits = holes->filled[word];
	if (!bits)
		return false;
	bin = word * 64 + (unsigned int)__builtin_ctzll(bits);
	id = holes->first[bin];
	*hint = holes->hints[id];
	holes->first[bin] = hint->next;
	if (!hint->next)
		holes->filled[word] &= ~(1ull << bin % 64);
	holes->hints[id].next = holes->hint_free;
	holes->hint_free = id;
	return true;
}

/* ---- looking ---- */

static bool may_be_filled(struct segment *segment)
{
	return segment_state(segment) == SEGMENT_SEALED &&
	       atomic_load_explicit(&segment->in_place, memory_order_relaxed) && !segment->frozen;
}

/* Grains that are free in it, if it may be filled. */
static uint32_t free_grains(struct segment *segment)
{
	uint64_t live = atomic_load_explicit(&segment->live, memory_order_relaxed) & LIVE_FIELD;
	uint32_t most = atomic_load_explicit(&segment->used, memory_order_relaxed) / STORE_GRAIN;

	return may_be_filled(segment) && live < most ? most - (uint32_t)live : 0;
}

static void look_through(struct store *store, uint32_t id)
{
	struct segment *segment = segment_of(store, id);
	uint32_t frame = atomic_load_explicit(&segment->frame, memory_order_acquire);
	uint32_t end = atomic_load_explicit(&segment->used, memory_order_relaxed) / STORE_GRAIN;
	_Atomic uint64_t *bits;
	uint32_t start, stop;

	/* It has just died. */
	if (frame == FRAME_NONE)
		return;
	bits = bits_of(store, frame);
	segment->epoch++;
	for (start = next_grain(bits, 0, end, false); start < end;
	     start = next_grain(bits, stop, end, false)) {
		uint32_t length;

		stop = next_grain(bits, start, end, true);
		length = stop - start < UINT16_MAX ? stop - start : UINT16_MAX;
		hint_add(&store->holes, (struct hint){.segment = id,
						      .offset = (uint16_t)start,
						      .length = (uint16_t)length,
						      .epoch = segment->epoch});
	}
}

/* Looks through the next segment that is worth it. */
static bool look(struct store *store)
{
	struct holes *holes = &store->holes;
	uint32_t made = atomic_load_explicit(&store->segments_made, memory_order_relaxed);

	holes->debt = 0;
	for (unsigned int i = 0; i < PASS_MOST && i < made; i++) {
		uint32_t id = holes->hand;

		holes->hand = id + 1 < made ? id + 1 : 1;
		if (!id || id >= made || free_grains(segment_of(store, id)) < LOOK_LEAST)
			continue;
		look_through(store, id);
		return true;
	}
	holes->rest = REST;
	return false;
}

/* ---- filling ---- */

/* With so much new in it, neighbours may be packed in it again. */
static void count_new(struct segment *segment, uint32_t bytes)
{
	/* It has no runs. */
	uint32_t more = atomic_load_explicit(&segment->run_bytes, memory_order_relaxed) + bytes;

	if (more >= SEGMENT_BYTES / 4) {
		segment->recoded = false;
		more = 0;
	}
	atomic_store_explicit(&segment->run_bytes, more, memory_order_relaxed);
}

/* Proves the hint and fills the beginning of its hole. */
static bool fill(struct store *store, struct hint hint, const uint64_t header[2], uint32_t length,
		 struct hole *hole)
{
	struct segment *segment = segment_of(store, hint.segment);
	uint64_t live = LIVE_WORD + length;
	uint32_t used;
	_Atomic uint64_t *bits;

	if (segment->epoch != hint.epoch || !may_be_filled(segment) ||
	    !segment_count(segment, live))
		return false;
	used = atomic_load_explicit(&segment->used, memory_order_relaxed) / STORE_GRAIN;
	bits = bits_of(store, segment->frame);
	/* It may have died and be another one since. */
	if (!may_be_filled(segment) || hint.offset + length > used ||
	    next_grain(bits, hint.offset, hint.offset + length, true) < hint.offset + length) {
		segment_release(store, hint.segment, live);
		return false;
	}
	hole->segment = hint.segment;
	hole->offset = hint.offset * STORE_GRAIN;
	hole->at = frame_address(store, segment->frame) + hole->offset;
	memcpy(hole->at, header, OBJECT_HEADER(1));
	holes_set(store, segment, hole->offset, length * STORE_GRAIN);
	count_new(segment, length * STORE_GRAIN);
	hint.offset = (uint16_t)(hint.offset + length);
	hint.length = (uint16_t)(hint.length - length);
	hint_add(&store->holes, hint);
	return true;
}

static bool find(struct store *store, const uint64_t header[2], uint32_t length, struct hole *hole)
{
	struct hint hint;

	for (unsigned int tries = 0; tries < TRIES; tries++) {
		if (!hint_take(&store->holes, length, &hint))
			return false;
		if (fill(store, hint, header, length, hole))
			return true;
	}
	return false;
}

bool holes_take(struct store *store, bool wait, const uint64_t header[2], uint32_t bytes,
		struct hole *hole)
{
	struct holes *holes = &store->holes;
	uint32_t length = bytes / STORE_GRAIN;
	bool found;

	if (wait)
		pthread_mutex_lock(&holes->lock);
	else if (pthread_mutex_trylock(&holes->lock))
		return false;
	holes->debt += length;
	/* The cleaner may have no other room. */
	holes->rest = wait || !holes->rest ? 0 : holes->rest - 1;
	if (holes->debt >= LOOK_EVERY && !holes->rest)
		look(store);
	found = find(store, header, length, hole);
	for (unsigned int i = 0; i < LOOKS && !found && !holes->rest && look(store); i++)
		found = find(store, header, length, hole);
	pthread_mutex_unlock(&holes->lock);
	return found;
}

void holes_freeze(struct store *store, struct segment *segment)
{
	pthread_mutex_lock(&store->holes.lock);
	segment->frozen++;
	pthread_mutex_unlock(&store->holes.lock);
}

void holes_thaw(struct store *store, struct segment *segment)
{
	pthread_mutex_lock(&store->holes.lock);
	segment->frozen--;
	pthread_mutex_unlock(&store->holes.lock);
}
