// SPDX-License-Identifier: MIT
#include "store/statistics.h"

#include <string.h>
#include "store/private.h"
#include "store/segment.h"

static void add_counts(struct store_statistics *to, struct put_counts *from)
{
	to->put_zero += from->zero;
	to->put_same += from->same;
	to->put_word += from->kind[CODEC_WORD];
	to->put_lz4 += from->kind[CODEC_LZ4];
	to->put_raw += from->kind[CODEC_RAW];
	to->put_encoded_bytes += from->bytes;
	to->recoded_pages += from->recoded_pages;
	to->recoded_bytes += from->recoded_bytes;
}

static void add_segment(struct store *store, struct store_statistics *to, struct segment *segment)
{
	uint64_t live = atomic_load_explicit(&segment->live, memory_order_relaxed);
	uint64_t runs = live / LIVE_RUN & LIVE_FIELD;
	enum segment_state state = segment_state(segment);
	uint64_t words = LIVE_WORDS(live);

	if (state == SEGMENT_FREE)
		return;
	/* Holds are few; an open or busy segment has one. */
	if (words && state != SEGMENT_SEALED && state != SEGMENT_CACHED && state != SEGMENT_BACKEND)
		words--;
	to->header_bytes += (words - runs) * OBJECT_HEADER(1) + runs * OBJECT_HEADER(1) / 2;
	if (store->seal)
		to->header_bytes += (words - runs) * SEAL_TAG + runs * SEAL_TAG / CODEC_MAX_PAGES;
	to->live_bytes += segment_live_bytes(segment);
	to->shadow_bytes += atomic_load_explicit(&segment->shadow, memory_order_relaxed);
	if (state == SEGMENT_BACKEND || state == SEGMENT_LOADING)
		to->segments_backend++;
	else
		to->segments_ram++;
}

void store_statistics(struct store *store, struct store_statistics *statistics)
{
	struct space_statistics space;
	uint64_t states[8];

	memset(statistics, 0, sizeof(*statistics));
	pthread_mutex_lock(&store->lock);
	add_counts(statistics, &store->closed);
	for (struct store_writer *writer = store->writers; writer; writer = writer->next)
		add_counts(statistics, &writer->counts);
	for (uint32_t id = 1; id < store->segments_made; id++)
		add_segment(store, statistics, segment_of(store, id));
	statistics->metadata_bytes = store->segments_made * sizeof(struct segment) +
				     store->frames_made * sizeof(*store->frame_free) +
				     holes_bytes(store) + sizeof(*store);
	pthread_mutex_unlock(&store->lock);
	space_statistics(store->space, &space);
	statistics->metadata_bytes += space.metadata_bytes;
	space_count(store->space, states);
	statistics->zero = states[DESC_ZERO];
	statistics->same = states[DESC_SAME];
	statistics->stored = states[DESC_STORED] + states[DESC_SHARED];
	statistics->ram_bytes = store_ram_bytes(store);
	statistics->cleaned_segments = store->cleaned_segments;
	statistics->copied_bytes = store->copied_bytes;
	statistics->bad_reads = store->bad_reads;
}

uint64_t store_live_bytes(struct store *store)
{
	uint64_t bytes = 0;

	pthread_mutex_lock(&store->lock);
	for (uint32_t id = 1; id < store->segments_made; id++) {
		struct segment *segment = segment_of(store, id);

		if (atomic_load_explicit(&segment->frame, memory_order_relaxed) != FRAME_NONE)
			bytes += segment_live_bytes(segment);
	}
	pthread_mutex_unlock(&store->lock);
	return bytes;
}

void store_segment_place(struct store *store, uint32_t id, struct segment_place *place)
{
	struct segment *segment = segment_of(store, id);

	pthread_mutex_lock(&store->lock);
	place->in_ram = segment_state(segment) != SEGMENT_FREE && segment->frame != FRAME_NONE;
	place->backend = segment_backend(store, segment);
	place->extent = segment_extent(segment);
	pthread_mutex_unlock(&store->lock);
}
