// SPDX-License-Identifier: MIT
#include "store/check.h"

#include <stdio.h>
#include <stdlib.h>
#include "store/private.h"
#include "store/segment.h"

static void require(bool holds, const char *what, uint64_t where)
{
	if (holds)
		return;
	fprintf(stderr, "vswap: store_check: %s (%#llx)\n", what, (unsigned long long)where);
	abort();
}

/* The word's location is an object's start, and the object has the word's page. */
static void check_object(struct store *store, desc_t word)
{
	struct segment *segment = segment_of(store, desc_segment(word));
	struct object object;

	if (segment->frame == FRAME_NONE)
		return;
	require(object_read(frame_address(store, segment->frame) + desc_offset(word),
			    SEGMENT_BYTES - desc_offset(word), &object),
		"a word names no object", word);
	require(desc_index(word) < object.pages, "a word's index is beyond its object", word);
	require((object.pages == 1) == (desc_length(word) > 0), "a word's length", word);
}

struct words {
	struct store *store;
	uint64_t *live; /* of each segment */
	uint64_t *bits; /* of each frame, as they should be (holes.h) */
};

/* Objects of a segment that is filled in place are single pages, and do not overlap. */
static void count_grains(const struct words *words, struct segment *segment, desc_t word)
{
	uint64_t *bits = words->bits + (size_t)segment->frame * HOLES_WORDS;
	uint32_t start = desc_offset(word) / STORE_GRAIN;
	uint32_t end = start + desc_length(word) / STORE_GRAIN;

	require(desc_length(word), "a run is filled in place", word);
	require(end * STORE_GRAIN <= segment->used || segment_state(segment) == SEGMENT_OPEN,
		"an object is beyond its segment's end", word);
	for (; start < end; start++) {
		require(!(bits[start / 64] >> start % 64 & 1), "two objects overlap", word);
		bits[start / 64] |= 1ull << start % 64;
	}
}

static void check_grains(struct store *store, const uint64_t *bits)
{
	for (size_t i = 0; bits && i < (size_t)store->frames_made * HOLES_WORDS; i++)
		require(store->holes.bits[i] == bits[i], "room that is taken for nothing, or free",
			i / HOLES_WORDS);
}

static void count_word(void *argument, desc_t word)
{
	const struct words *words = argument;
	struct store *store = words->store;

	if (!desc_has_location(word))
		return;
	require(desc_segment(word) < store->segments_made, "a word names no segment", word);
	require(segment_state(segment_of(store, desc_segment(word))) != SEGMENT_FREE,
		"a word names a free segment", word);
	words->live[desc_segment(word)] += live_of(word);
	if (segment_of(store, desc_segment(word))->in_place)
		count_grains(words, segment_of(store, desc_segment(word)), word);
	check_object(store, word);
}

/* Returns how many frames the segment has; adds those that may never be written to *kept. */
static uint32_t check_segment(struct store *store, uint32_t id, uint64_t live, uint32_t *kept)
{
	struct segment *segment = segment_of(store, id);
	enum segment_state state = segment_state(segment);
	bool hold = state == SEGMENT_SPARE || state == SEGMENT_OPEN || state == SEGMENT_WRITING;
	bool in_ram = segment->frame != FRAME_NONE;

	require(segment->live == live + (hold ? LIVE_WORD : 0), "a segment's live words", id);
	require(!segment->pins, "a segment is pinned", id);
	require(!segment->frozen, "a segment is frozen", id);
	require(state != SEGMENT_CLEANING && state != SEGMENT_LOADING, "a segment is busy", id);
	require(in_ram == (state != SEGMENT_FREE && state != SEGMENT_BACKEND), "a frame", id);
	require(!!segment->backend == (state == SEGMENT_CACHED || state == SEGMENT_BACKEND),
		"a backend", id);
	require(segment->tiers || (state != SEGMENT_WRITING && !segment->backend),
		"a segment is where it must not be", id);
	*kept += state != SEGMENT_FREE && !segment->tiers;
	return in_ram;
}

static void check_list(struct store *store, struct segment_list *list, enum segment_state state)
{
	uint32_t count = 0, previous = 0, sequence = 0;

	for (uint32_t id = list->first; id; id = segment_of(store, id)->next) {
		struct segment *segment = segment_of(store, id);

		require(segment_state(segment) == state, "a list has another's segment", id);
		require(segment->previous == previous, "a list's links", id);
		require(segment->sequence >= sequence, "a list's order", id);
		previous = id;
		sequence = segment->sequence;
		count++;
	}
	require(previous == list->last && count == list->count, "a list's end", previous);
}

void store_check(struct store *store)
{
	uint64_t *live = calloc(store->segments_made, sizeof(*live));
	uint64_t *bits = NULL;
	uint32_t frames = 0, kept = 0;

	if (store->holes.bits)
		bits = calloc(store->frames_made + 1, HOLES_WORDS * sizeof(*bits));
	require(!store->holes.bits || bits, "no memory for the check", 0);
	require(live, "no memory for the check", 0);
	space_check(store->space);
	space_each_word(store->space, count_word, &(struct words){store, live, bits});
	check_grains(store, bits);
	pthread_mutex_lock(&store->lock);
	for (uint32_t id = 1; id < store->segments_made; id++)
		frames += check_segment(store, id, live[id], &kept);
	require(frames == store->frames_used, "count of frames", frames);
	require(kept == store->frames_kept, "count of kept frames", kept);
	require(frames + store->warm_count + store->frame_free_count == store->frames_made,
		"a frame is lost", frames);
	check_list(store, &store->sealed, SEGMENT_SEALED);
	check_list(store, &store->cached, SEGMENT_CACHED);
	pthread_mutex_unlock(&store->lock);
	free(bits);
	free(live);
}
