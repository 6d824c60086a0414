// SPDX-License-Identifier: MIT
/*
 * Segments on their way to a backend and back. Offsets stay the same, and the bytes too unless the
 * copy is sealed; one table entry changes. RAM is given back only after the backend
 * acknowledged.
 */
#include "store/writeback.h"

#include <assert.h>
#include <errno.h>
#include "space/map.h"
#include "store/private.h"
#include "store/segment.h"

void segment_claim(struct store *store, uint32_t id, enum segment_state state)
{
	segment_unlink(store, id);
	segment_set_state(segment_of(store, id), state);
}

uint16_t store_oldest_tiers(struct store *store, uint16_t tiers)
{
	uint16_t found = 0;

	pthread_mutex_lock(&store->lock);
	for (uint32_t id = store->sealed.first; id && !(found & tiers);
	     id = segment_of(store, id)->next)
		found = segment_may_leave(store, segment_of(store, id))
				? segment_of(store, id)->tiers
				: 0;
	pthread_mutex_unlock(&store->lock);
	return found & tiers ? found : 0;
}

uint32_t store_oldest_for_writeback(struct store *store, uint16_t tiers, const void **bytes)
{
	uint32_t id;

	pthread_mutex_lock(&store->lock);
	for (id = store->sealed.first; id; id = segment_of(store, id)->next)
		if (segment_of(store, id)->tiers & tiers &&
		    segment_may_leave(store, segment_of(store, id)) &&
		    segment_hold(segment_of(store, id)))
			break;
	if (id) {
		segment_claim(store, id, SEGMENT_WRITING);
		segment_of(store, id)->serial = 0;
		*bytes = frame_address(store, segment_of(store, id)->frame);
	}
	pthread_mutex_unlock(&store->lock);
	return id;
}

int store_seal(struct store *store, uint32_t id, void *copy)
{
	struct segment *segment = segment_of(store, id);
	const unsigned char *frame = frame_address(store, segment->frame);
	uint64_t serial = seal_serial(store->seal);
	unsigned char *to = copy;
	struct object object;
	uint32_t offset = 0, bytes;

	assert(segment_state(segment) == SEGMENT_WRITING);
	if (!serial)
		return -EIO;
	for (; offset < segment->used; offset += bytes) {
		bytes = STORE_GRAIN;
		if (!object_read(frame + offset, segment->used - offset, &object)) {
			/* An object that a backend lost was here. */
			memset(to + offset, 0, bytes);
			continue;
		}
		bytes = object_bytes(object);
		if (!object.tagged ||
		    seal_object(store->seal, serial, offset, frame + offset, bytes, to + offset))
			return -EIO;
	}
	memset(to + offset, 0, SEGMENT_BYTES - offset);
	segment->serial = serial;
	return 0;
}

/* Where it stands among the store's, or BACKENDS. NULL: the first place that is free. */
static unsigned int find_backend(const struct store *store, const struct backend *backend)
{
	unsigned int i = 0;

	while (i < BACKENDS && store->backends[i] != backend)
		i++;
	return i;
}

/* Mutex held. The backend's index + 1. */
static uint8_t backend_index(struct store *store, struct backend *backend)
{
	unsigned int i = find_backend(store, backend);

	if (i == BACKENDS)
		i = find_backend(store, NULL);
	assert(i < BACKENDS);
	store->backends[i] = backend;
	return (uint8_t)(i + 1);
}

void store_forget_backend(struct store *store, const struct backend *backend)
{
	unsigned int i;

	pthread_mutex_lock(&store->lock);
	i = find_backend(store, backend);
	if (i < BACKENDS)
		store->backends[i] = NULL;
	pthread_mutex_unlock(&store->lock);
}

/* Takes the frame of a segment that is on a backend out of the table, then gives it back. */
static void drop_frame(struct store *store, struct segment *segment)
{
	uint32_t frame = atomic_exchange(&segment->frame, FRAME_NONE);

	segment_wait_pins(segment);
	frame_return(store, frame, frame_is_whole(segment->used));
}

void store_segment_written(struct store *store, uint32_t id, struct backend *backend,
			   uint64_t extent, bool keep_ram)
{
	struct segment *segment = segment_of(store, id);

	assert(segment_state(segment) == SEGMENT_WRITING && extent % SEGMENT_BYTES == 0);
	pthread_mutex_lock(&store->lock);
	segment->extent = (uint32_t)(extent / SEGMENT_BYTES);
	atomic_store(&segment->backend, backend_index(store, backend));
	store->segments_backend++;
	segment_link(store, id, keep_ram ? SEGMENT_CACHED : SEGMENT_BACKEND);
	pthread_mutex_unlock(&store->lock);
	if (!keep_ram)
		drop_frame(store, segment);
	segment_release(store, id, LIVE_WORD);
}

void store_segment_unwritten(struct store *store, uint32_t id)
{
	assert(segment_state(segment_of(store, id)) == SEGMENT_WRITING);
	pthread_mutex_lock(&store->lock);
	segment_link(store, id, SEGMENT_SEALED);
	pthread_mutex_unlock(&store->lock);
	segment_release(store, id, LIVE_WORD);
}

uint64_t segment_drop_cached(struct store *store)
{
	uint32_t id;

	pthread_mutex_lock(&store->lock);
	for (id = store->cached.first; id; id = segment_of(store, id)->next)
		if (segment_hold(segment_of(store, id)))
			break;
	if (id) {
		segment_claim(store, id, SEGMENT_BACKEND);
	}
	pthread_mutex_unlock(&store->lock);
	if (!id)
		return 0;
	drop_frame(store, segment_of(store, id));
	segment_release(store, id, LIVE_WORD);
	return SEGMENT_BYTES;
}

/* A segment of that backend with a hold, its old state in *was; 0: none. It leaves its list. */
static uint32_t take_from_backend(struct store *store, struct backend *backend,
				  enum segment_state *was)
{
	uint32_t found = 0;

	pthread_mutex_lock(&store->lock);
	for (uint32_t i = 1; i < store->segments_made && !found; i++) {
		uint32_t id = store->drain_at;
		struct segment *segment = segment_of(store, id);

		store->drain_at = id + 1 < store->segments_made ? id + 1 : 1;
		*was = segment_state(segment);
		if (segment_backend(store, segment) != backend ||
		    (*was != SEGMENT_CACHED && *was != SEGMENT_BACKEND) || !segment_hold(segment))
			continue;
		segment_claim(store, id, SEGMENT_LOADING);
		found = id;
	}
	pthread_mutex_unlock(&store->lock);
	return found;
}

/* Length of the object that may stand at `offset` of a sealed copy; 0: none can. */
static uint32_t sealed_length(struct store *store, struct reader *reader, struct segment *segment,
			      uint32_t offset, const unsigned char *at)
{
	uint32_t room = segment->used - offset;
	struct object object;
	uint64_t word;

	if (room < OBJECT_HEADER(1) + STORE_GRAIN + SEAL_TAG)
		return 0;
	word = seal_peek(store->seal, reader->number, segment->serial, offset, at);
	object = object_unpack(word);
	if (!word || !object.tagged || object_bytes(object) > room ||
	    object.length > object.pages * PAGE_BYTES)
		return 0;
	return object_bytes(object);
}

/* Opens what was read of a sealed copy, in its place. What does not open becomes zeros, which are
 * no object; where the next one begins is then found by trying. */
static void unseal(struct store *store, struct segment *segment, unsigned char *frame)
{
	struct reader *reader = reader_take(store);
	uint32_t offset = 0, bytes;

	for (; offset < segment->used; offset += bytes) {
		bytes = sealed_length(store, reader, segment, offset, frame + offset);
		if (bytes && !segment_unseal(store, reader, segment, offset, frame + offset, bytes,
					     reader->buffer)) {
			memcpy(frame + offset, reader->buffer, bytes - SEAL_TAG);
			memset(frame + offset + bytes - SEAL_TAG, 0, SEAL_TAG);
			continue;
		}
		bytes = STORE_GRAIN;
		memset(frame + offset, 0, bytes);
	}
	reader_return(reader);
}

/* What can be read of a segment; the rest becomes zeros. */
static void read_pieces(struct backend *backend, uint64_t extent, uint32_t used,
			unsigned char *frame)
{
	for (uint32_t at = 0; at < used; at += BACKEND_ALIGN) {
		uint32_t length = used - at < BACKEND_ALIGN ? used - at : BACKEND_ALIGN;

		if (backend->operations->read(backend, extent + at, length, frame + at))
			memset(frame + at, 0, length);
	}
}

/* Reads a segment into a frame of its own. */
static int load(struct store *store, struct segment *segment, bool for_cleaner, bool lose)
{
	struct backend *backend = segment_backend(store, segment);
	uint32_t frame;
	int error = -ENOMEM;

	pthread_mutex_lock(&store->lock);
	frame = frame_take(store, for_cleaner);
	pthread_mutex_unlock(&store->lock);
	if (frame == FRAME_NONE)
		return -ENOSPC;
	if (map_populate(frame_address(store, frame), SEGMENT_BYTES))
		error = backend->operations->read(backend, segment_extent(segment), segment->used,
						  frame_address(store, frame));
	if (error && error != -ENOMEM && lose) {
		read_pieces(backend, segment_extent(segment), segment->used,
			    frame_address(store, frame));
		error = 0;
	}
	if (!error && segment->serial)
		unseal(store, segment, frame_address(store, frame));
	if (!error) {
		atomic_store(&segment->frame, frame);
		return 0;
	}
	frame_return(store, frame, false);
	return error == -ENOMEM ? -ENOSPC : -EIO;
}

int segment_recall(struct store *store, uint32_t id, enum segment_state was, enum segment_state to,
		   bool lose)
{
	struct segment *segment = segment_of(store, id);
	struct backend *backend = segment_backend(store, segment);
	uint64_t extent = segment_extent(segment);
	int error = was == SEGMENT_BACKEND ? load(store, segment, to == SEGMENT_CLEANING, lose) : 0;

	pthread_mutex_lock(&store->lock);
	if (!error) {
		atomic_store(&segment->backend, 0);
		store->segments_backend--;
	}
	segment_link(store, id, error ? was : to);
	pthread_mutex_unlock(&store->lock);
	if (error)
		return error;
	segment_wait_pins(segment);
	backend->operations->release(backend, extent);
	return 0;
}

int store_drain_one(struct store *store, struct backend *backend, bool lose)
{
	enum segment_state was;
	uint32_t id = take_from_backend(store, backend, &was);
	int error;

	if (!id)
		return -ENOENT;
	error = segment_recall(store, id, was, SEGMENT_SEALED, lose);
	segment_release(store, id, LIVE_WORD);
	return error;
}
