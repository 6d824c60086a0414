// SPDX-License-Identifier: MIT
/*
 * Writers append objects to an open segment of their own, without a lock. The
 * encoder writes straight into the frame, behind the place of the header: one
 * pass over the bytes, no copy.
 */
#include "store/writer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include "space/map.h"
#include "store/private.h"
#include "store/segment.h"

/* Most that a single page can take. */
#define PUT_HIGHEST (OBJECT_HEADER(1) + PAGE_BYTES + SEAL_TAG)

int store_writer_open(struct store *store, struct store_writer **out)
{
	struct store_writer *writer = calloc(1, sizeof(*writer));

	if (!writer)
		return -ENOMEM;
	writer->store = store;
	writer->open.tiers = STORE_ANY_TIER;
	writer->open.in_place = store->in_place;
	writer->codec = codec_new();
	writer->scratch = map_sparse(WRITER_SCRATCH);
	writer->single = malloc(PUT_ROOM);
	if (!writer->codec || !writer->scratch || !writer->single) {
		codec_free(writer->codec);
		free(writer->single);
		map_remove(writer->scratch, WRITER_SCRATCH);
		free(writer);
		return -ENOMEM;
	}
	pthread_mutex_lock(&store->lock);
	writer->next = store->writers;
	store->writers = writer;
	pthread_mutex_unlock(&store->lock);
	*out = writer;
	return 0;
}

static void counts_merge(struct put_counts *to, struct put_counts *from)
{
	count_add(&to->zero, from->zero);
	count_add(&to->same, from->same);
	count_add(&to->bytes, from->bytes);
	count_add(&to->recoded_pages, from->recoded_pages);
	count_add(&to->recoded_bytes, from->recoded_bytes);
	for (int i = 0; i < 4; i++)
		count_add(&to->kind[i], from->kind[i]);
}

/* What of it is in use, or may come to be. */
static uint32_t used_of(const struct open_segment *open)
{
	return open->in_place ? open->ready : open->offset;
}

static void seal(struct store_writer *writer, struct open_segment *open)
{
	if (open->base)
		segment_seal(writer->store, open->id, used_of(open), writer->sequence);
	open->base = NULL;
}

static bool is_for(const struct open_segment *open, uint16_t tiers, bool in_place)
{
	return open->tiers == tiers && open->in_place == in_place;
}

static void select_open(struct store_writer *writer, uint16_t tiers, bool in_place)
{
	struct open_segment before = writer->open, *parked = writer->parked;
	struct open_segment next = {.tiers = tiers, .in_place = in_place};
	unsigned int i = 0;

	if (is_for(&before, tiers, in_place))
		return;
	assert(!writer->filled_count);
	while (i < writer->parked_count && !is_for(&parked[i], tiers, in_place))
		i++;
	if (i == STREAMS - 1)
		seal(writer, &parked[--i]);
	else if (i == writer->parked_count)
		writer->parked_count++;
	else
		next = parked[i];
	writer->open = next;
	parked[i] = before;
}

void store_writer_select(struct store_writer *writer, uint16_t tiers)
{
	if (!writer->store->in_place)
		select_open(writer, tiers, false);
}

void writer_select(struct store_writer *writer, bool in_place)
{
	/* In a log nothing is filled in place, but what was open may be when it becomes one. */
	if (writer->open.in_place == in_place || (in_place && !writer->store->in_place))
		return;
	store_published(writer);
	select_open(writer, STORE_ANY_TIER, in_place);
}

/* So that they can be written or cleaned. */
static void seal_parked(struct store_writer *writer)
{
	while (writer->parked_count)
		seal(writer, &writer->parked[--writer->parked_count]);
}

void store_writer_close(struct store_writer *writer)
{
	struct store *store = writer->store;
	struct store_writer **at;

	store_published(writer);
	seal(writer, &writer->open);
	seal_parked(writer);
	while (writer->spare_count)
		segment_release(store, writer->spare[--writer->spare_count], LIVE_WORD);
	pthread_mutex_lock(&store->lock);
	for (at = &store->writers; *at != writer; at = &(*at)->next)
		;
	*at = writer->next;
	counts_merge(&store->closed, &writer->counts);
	pthread_mutex_unlock(&store->lock);
	codec_free(writer->codec);
	map_remove(writer->scratch, WRITER_SCRATCH);
	free(writer->single);
	free(writer);
}

/* Frames are populated in steps, a little ahead of the writer: what is not written yet takes no
 * memory. Room that was reserved is there, though, so that writing never waits for any. */
static bool populate(struct store *store, uint32_t id, uint32_t *ready, uint64_t bytes)
{
	uint32_t to =
		bytes < SEGMENT_BYTES - POPULATE_STEP
			? ((uint32_t)bytes + POPULATE_STEP - 1) / POPULATE_STEP * POPULATE_STEP
			: SEGMENT_BYTES;
	unsigned char *frame = frame_address(store, segment_of(store, id)->frame);

	if (to <= *ready)
		return true;
	if (!map_populate(frame + *ready, to - *ready))
		return false;
	*ready = to;
	return true;
}

/* Pages that fit behind `offset`, whatever they need. */
static unsigned int pages_behind(uint32_t offset)
{
	if (SEGMENT_BYTES - offset < PUT_ROOM)
		return 0;
	return (SEGMENT_BYTES - offset - PUT_ROOM) / PUT_HIGHEST + 1;
}

static uint64_t end_behind(uint32_t offset, unsigned int pages)
{
	return offset + (uint64_t)pages * PUT_HIGHEST + PUT_ROOM;
}

static int populate_for(struct store_writer *writer, unsigned int pages)
{
	unsigned int here = writer->open.base ? pages_behind(writer->open.offset) : 0;

	if (here && !populate(writer->store, writer->open.id, &writer->open.ready,
			      end_behind(writer->open.offset, pages)))
		return -ENOSPC;
	/* The last one is opened first. */
	for (uint32_t i = writer->spare_count; i && pages > here; i--) {
		pages -= here;
		if (!populate(writer->store, writer->spare[i - 1], &writer->spare_ready[i - 1],
			      end_behind(0, pages)))
			return -ENOSPC;
		here = pages_behind(0);
	}
	return 0;
}

/* What never leaves would be in the way of all that must pass through RAM. */
static bool too_many_kept(const struct store_writer *writer)
{
	const struct store *store = writer->store;

	return !writer->open.tiers && !writer->cleaner &&
	       2 * store->frames_kept + PASSING_FRAMES >= store->frame_limit;
}

static uint32_t spare_new(struct store_writer *writer)
{
	struct store *store = writer->store;
	uint32_t id =
		segment_new(store, writer->cleaner, &writer->spare_ready[writer->spare_count]);

	if (!id || !store->in_place || holes_prepare(store, segment_of(store, id)->frame))
		return id;
	segment_release(store, id, LIVE_WORD);
	return 0;
}

int store_reserve(struct store_writer *writer, unsigned int pages)
{
	unsigned int here = writer->open.base ? pages_behind(writer->open.offset) : 0;

	if (pages > here && too_many_kept(writer))
		return -ENOSPC;
	while (pages > here + writer->spare_count * pages_behind(0)) {
		uint32_t id;

		if (writer->spare_count == SPARES)
			return -EINVAL;
		id = spare_new(writer);
		if (!id) {
			seal_parked(writer);
			return -ENOSPC;
		}
		writer->spare[writer->spare_count++] = id;
	}
	return populate_for(writer, pages);
}

void store_published(struct store_writer *writer)
{
	for (uint32_t i = 0; i < writer->filled_count; i++) {
		uint32_t id = writer->filled[i];
		struct segment *segment = segment_of(writer->store, id);

		segment_seal(writer->store, id, segment->used, writer->sequence);
	}
	writer->filled_count = 0;
}

/* Puts the full segment aside and opens a spare one. */
static void writer_next(struct store_writer *writer)
{
	struct segment *segment;

	if (writer->open.base) {
		segment = segment_of(writer->store, writer->open.id);
		atomic_store_explicit(&segment->used, used_of(&writer->open), memory_order_relaxed);
		if (writer->filled_count == SPARES)
			store_published(writer);
		writer->filled[writer->filled_count++] = writer->open.id;
	}
	assert(writer->spare_count && "store_reserve was not called");
	writer->open.id = writer->spare[--writer->spare_count];
	writer->open.ready = writer->spare_ready[writer->spare_count];
	segment = segment_of(writer->store, writer->open.id);
	segment->recoded = writer->recodes;
	segment->tiers = writer->open.tiers;
	segment->in_place = writer->open.in_place;
	segment->untagged = !writer->store->seal;
	if (!segment->tiers)
		atomic_fetch_add(&writer->store->frames_kept, 1);
	segment_set_state(segment, SEGMENT_OPEN);
	writer->open.base = frame_address(writer->store, segment->frame);
	writer->open.offset = 0;
}

/* Room for `bytes` in the open segment. */
static unsigned char *writer_room(struct store_writer *writer, uint32_t bytes)
{
	if (!writer->open.base || SEGMENT_BYTES - writer->open.offset < bytes)
		writer_next(writer);
	return writer->open.base + writer->open.offset;
}

/* The object at the open segment's end is whole: counts it and moves on. */
static desc_t writer_commit(struct store_writer *writer, uint32_t bytes, unsigned int pages)
{
	struct segment *segment = segment_of(writer->store, writer->open.id);
	uint32_t length = pages == 1 ? bytes : 0;
	desc_t word = desc_make_stored(
		desc_make_location(writer->open.id, writer->open.offset, length, 0));

	if (pages > 1) {
		atomic_fetch_add_explicit(&segment->run_bytes, bytes, memory_order_relaxed);
		atomic_fetch_add_explicit(&segment->run_slots, pages, memory_order_relaxed);
	}
	if (writer->open.in_place)
		holes_set(writer->store, segment, writer->open.offset, bytes);
	atomic_fetch_add_explicit(&segment->live, live_of(word) * pages, memory_order_relaxed);
	writer->open.offset += bytes;
	return word;
}

desc_t writer_append(struct store_writer *writer, const void *object, uint32_t bytes,
		     unsigned int pages)
{
	assert(pages == 1 || !writer->open.in_place);
	memcpy(writer_room(writer, bytes), object, bytes);
	return writer_commit(writer, bytes, pages);
}

desc_t writer_fill(struct store_writer *writer, const void *object, uint32_t bytes)
{
	uint64_t header[2];
	struct hole hole;

	if (!writer->open.in_place)
		return 0;
	memcpy(header, object, sizeof(header));
	if (!holes_take(writer->store, writer->cleaner, header, bytes, &hole))
		return 0;
	memcpy(hole.at + sizeof(header), (const unsigned char *)object + sizeof(header),
	       bytes - sizeof(header));
	return desc_make_stored(desc_make_location(hole.segment, hole.offset, bytes, 0));
}

uint32_t writer_encode(struct store_writer *writer, uint64_t slot, const void *page,
		       unsigned char *at)
{
	struct object object = {.slot = slot, .pages = 1, .tagged = writer->store->seal};
	uint64_t header[2];
	uint32_t bytes, end;

	object.length = (uint32_t)codec_encode_page(writer->codec, page, at + OBJECT_HEADER(1),
						    ENCODE_ROOM, &object.codec);
	assert(object.length && object.length <= PAGE_BYTES);
	header[0] = object_pack(object);
	header[1] = page_hash(writer->store, page);
	memcpy(at, header, sizeof(header));
	bytes = object_bytes(object);
	end = OBJECT_HEADER(1) + object.length;
	memset(at + end, 0, bytes - end);
	if (!writer->cleaner) {
		count_add(&writer->counts.kind[object.codec], 1);
		count_add(&writer->counts.bytes, bytes);
	}
	return bytes;
}

static desc_t put(struct store_writer *writer, uint64_t slot, const void *page)
{
	uint32_t bytes;
	desc_t word;

	if (!writer->open.in_place)
		return writer_commit(
			writer, writer_encode(writer, slot, page, writer_room(writer, PUT_ROOM)),
			1);
	bytes = writer_encode(writer, slot, page, writer->single);
	word = writer_fill(writer, writer->single, bytes);
	return word ? word : writer_append(writer, writer->single, bytes, 1);
}

desc_t store_put(struct store_writer *writer, uint64_t slot, const void *page)
{
	uint64_t word;
	desc_t same;

	assert(slot && slot < 1ull << OBJECT_SLOT_BITS);
	if (page_is_same(page, &word)) {
		if (!word) {
			count_add(&writer->counts.zero, 1);
			return DESC_ZERO;
		}
		if (desc_make_same(word, &same)) {
			count_add(&writer->counts.same, 1);
			return same;
		}
	}
	return put(writer, slot, page);
}
