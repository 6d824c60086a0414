// SPDX-License-Identifier: MIT
/*
 * Reading objects. A reader owns nothing but its descriptor's lock, which keeps
 * the object where it is within its segment; the pin keeps the segment where it
 * is. Order matters: pin first, then look; who moves a segment changes the
 * table first, then waits for pins (both sequentially consistent).
 */
#include "store/reader.h"

#include <errno.h>
#include "store/private.h"
#include "store/segment.h"

struct reader *reader_take(struct store *store)
{
	static _Thread_local unsigned int last; /* most often the same one, still in the cache */

	unsigned int rounds = 0;

	for (unsigned int i = 0;; i++) {
		struct reader *reader = &store->readers[(last + i) % READERS];

		if (!atomic_load_explicit(&reader->busy, memory_order_relaxed) &&
		    !atomic_exchange_explicit(&reader->busy, true, memory_order_acquire)) {
			last = (last + i) % READERS;
			return reader;
		}
		if (i % READERS == READERS - 1)
			space_wait(&rounds);
	}
}

void reader_return(struct reader *reader)
{
	atomic_store_explicit(&reader->busy, false, memory_order_release);
}

/* Where a pinned segment's bytes are: a frame, or else a backend. */
static const unsigned char *segment_look(struct store *store, struct segment *segment,
					 struct backend **backend)
{
	for (;;) {
		uint32_t frame = atomic_load(&segment->frame);

		*backend = segment_backend(store, segment);
		if (frame != FRAME_NONE)
			return frame_address(store, frame);
		if (*backend)
			return NULL;
		/* It came into RAM between the two looks. */
		if (atomic_load(&segment->frame) == FRAME_NONE)
			return NULL;
	}
}

typedef int (*read_fn)(struct backend *backend, uint64_t offset, size_t length, void *bytes);

static int read_device(struct backend *backend, uint64_t offset, size_t length, void *bytes)
{
	return backend->operations->read(backend, offset, length, bytes);
}

static int read_at_hand(struct backend *backend, uint64_t offset, size_t length, void *bytes)
{
	return backend->operations->at_hand &&
			       backend->operations->at_hand(backend, offset, length, bytes)
		       ? 0
		       : -EAGAIN;
}

/* How long a run is. Its header is read first, into the reader's buffer; what it says is not yet
 * proved. 0 or -errno. */
static int run_length(struct store *store, struct reader *reader, struct segment *segment,
		      uint32_t offset, uint32_t *length)
{
	uint32_t most = SEGMENT_BYTES - offset;
	struct object object;
	uint64_t word;

	if (segment->serial) {
		word = seal_peek(store->seal, reader->number, segment->serial, offset,
				 reader->buffer);
		object = object_unpack(word);
		if (!word || object_bytes(object) > most || !object.tagged)
			return -EILSEQ;
	} else if (!object_read(reader->buffer, most, &object)) {
		return -EILSEQ;
	}
	*length = object_bytes(object);
	return 0;
}

/* Reads the object that the word names from the device into the reader's buffer, and opens it. */
static int object_fetch(struct store *store, struct reader *reader, struct segment *segment,
			struct backend *backend, desc_t word, uint32_t *room, read_fn read)
{
	uint32_t offset = desc_offset(word), length = desc_length(word);
	uint32_t most = SEGMENT_BYTES - offset, got = length ? length : PAGE_BYTES;
	uint64_t at = segment_extent(segment) + offset;
	int error;

	if (got > most)
		got = most;
	error = read(backend, at, got, reader->buffer);
	if (!error && !length) {
		error = run_length(store, reader, segment, offset, &length);
		if (!error && length > got)
			error = read(backend, at, length, reader->buffer);
	}
	if (error)
		return error;
	*room = length < most ? length : most;
	if (!segment->serial)
		return 0;
	return segment_unseal(store, reader, segment, offset, reader->buffer, *room,
			      reader->buffer);
}

int object_decode(struct codec *codec, const unsigned char *bytes, uint32_t room, int index,
		  void *pages)
{
	struct object object;

	if (!object_read(bytes, room, &object) || index >= (int)object.pages)
		return -EILSEQ;
	return codec_decode(codec, object.codec, bytes + OBJECT_HEADER(object.pages), object.length,
			    object.pages, index, pages);
}

/* Decodes and checks one page. */
static int read_page(struct store *store, struct reader *reader, const unsigned char *bytes,
		     uint32_t room, desc_t word, void *page)
{
	unsigned int index = desc_index(word);
	int error = object_decode(reader->codec, bytes, room, (int)index, page);

	if (error)
		return error;
	return page_hash(store, page) == object_hash(bytes, index) ? 0 : -EILSEQ;
}

/* What the shadow estimate takes a word's share of its segment to be. */
static uint32_t shadow_share(desc_t word)
{
	return desc_length(word) ? desc_length(word) : PAGE_BYTES / 8;
}

static int get_stored(struct store *store, desc_t word, void *page, read_fn read)
{
	struct segment *segment = segment_of(store, desc_segment(word));
	struct reader *reader = reader_take(store);
	uint32_t room = SEGMENT_BYTES - desc_offset(word);
	const unsigned char *frame;
	struct backend *backend;
	int error = -EIO;

	atomic_fetch_add(&segment->pins, 1);
	frame = segment_look(store, segment, &backend);
	if (frame)
		error = read_page(store, reader, frame + desc_offset(word), room, word, page);
	if (error && backend) {
		error = object_fetch(store, reader, segment, backend, word, &room, read);
		if (!error)
			error = read_page(store, reader, reader->buffer, room, word, page);
	}
	if (!error && desc_state(word) == DESC_STORED)
		atomic_fetch_add_explicit(&segment->shadow, shadow_share(word),
					  memory_order_relaxed);
	atomic_fetch_sub_explicit(&segment->pins, 1, memory_order_release);
	reader_return(reader);
	if (error && error != -EAGAIN)
		atomic_fetch_add_explicit(&store->bad_reads, 1, memory_order_relaxed);
	return error;
}

static void fill(void *page, uint64_t word)
{
	uint64_t *words = page;

	for (unsigned int i = 0; i < PAGE_BYTES / sizeof(word); i++)
		words[i] = word;
}

static int get(struct store *store, desc_t word, void *page, read_fn read);

static int get_shared(struct store *store, desc_t word, void *page, read_fn read)
{
	slot_t *slot = anchor_slot(store->space, desc_anchor(word));
	desc_t inner = slot_lock(slot);
	int error = -EIO;

	if (desc_state(inner) != DESC_SHARED)
		error = get(store, inner, page, read);
	slot_unlock(slot, inner);
	return error;
}

static int get(struct store *store, desc_t word, void *page, read_fn read)
{
	switch (desc_state(word)) {
	case DESC_ABSENT:
	case DESC_ZERO:
		memset(page, 0, PAGE_BYTES);
		return 0;
	case DESC_SAME:
		fill(page, desc_same_word(word));
		return 0;
	case DESC_SHARED:
		return get_shared(store, word, page, read);
	case DESC_STORED:
	case DESC_RESIDENT:
		if (desc_segment(word))
			return get_stored(store, word, page, read);
		return -EINVAL;
	case DESC_LEAVING:
		return -EINVAL;
	case DESC_BAD:
		break;
	}
	return -EIO;
}

int store_get(struct store *store, desc_t word, void *page)
{
	return get(store, word, page, read_device);
}

int store_try_get(struct store *store, desc_t word, void *page)
{
	return get(store, word, page, read_at_hand);
}

/* An anchor's word as it is now, without its lock; any other word unchanged. */
static desc_t resolve(struct store *store, desc_t word)
{
	if (desc_state(word) != DESC_SHARED)
		return word;
	return atomic_load_explicit(anchor_slot(store->space, desc_anchor(word)),
				    memory_order_acquire);
}

bool store_is_fast(struct store *store, desc_t word)
{
	word = resolve(store, word);
	if (desc_state(word) != DESC_STORED && desc_state(word) != DESC_RESIDENT)
		return true;
	return !desc_segment(word) ||
	       atomic_load(&segment_of(store, desc_segment(word))->frame) != FRAME_NONE;
}

/* The object at the location, if it is in RAM, has these bytes. The sum tells quickly of those that
 * were changed; what is taken for equal is compared. */
static bool has_bytes(struct store *store, struct segment *segment, desc_t word, const void *page)
{
	struct backend *backend;
	const unsigned char *frame = segment_look(store, segment, &backend);
	uint32_t room = SEGMENT_BYTES - desc_offset(word);
	struct reader *reader;
	struct object object;
	bool same;

	if (!frame)
		return false;
	frame += desc_offset(word);
	if (!object_read(frame, room, &object) || desc_index(word) >= object.pages ||
	    page_hash(store, page) != object_hash(frame, desc_index(word)))
		return false;
	reader = reader_take(store);
	same = !object_decode(reader->codec, frame, room, (int)desc_index(word), reader->buffer) &&
	       !memcmp(reader->buffer, page, PAGE_BYTES);
	reader_return(reader);
	return same;
}

bool store_is_same(struct store *store, desc_t word, const void *page)
{
	struct segment *segment = segment_of(store, desc_segment(word));
	uint32_t share = shadow_share(word), shadow;
	bool same;

	if (!desc_segment(word))
		return false;
	atomic_fetch_add(&segment->pins, 1);
	same = has_bytes(store, segment, word, page);
	/* It goes from shadow to stored again. */
	shadow = atomic_load_explicit(&segment->shadow, memory_order_relaxed);
	if (same)
		atomic_store_explicit(&segment->shadow, shadow - (share < shadow ? share : shadow),
				      memory_order_relaxed);
	atomic_fetch_sub_explicit(&segment->pins, 1, memory_order_release);
	return same;
}

bool store_holds(struct store *store, desc_t word, const void *page)
{
	slot_t *anchor = NULL;
	struct segment *segment;
	bool same = false;

	if (desc_state(word) == DESC_SHARED) {
		anchor = anchor_slot(store->space, desc_anchor(word));
		word = slot_lock(anchor);
	}
	if (desc_state(word) == DESC_STORED && desc_segment(word)) {
		segment = segment_of(store, desc_segment(word));
		atomic_fetch_add(&segment->pins, 1);
		same = has_bytes(store, segment, word, page);
		atomic_fetch_sub_explicit(&segment->pins, 1, memory_order_release);
	}
	if (anchor)
		slot_unlock(anchor, word);
	return same;
}

int store_describe(struct store *store, desc_t word, const char **codec, uint32_t *bytes,
		   unsigned int *pages)
{
	struct segment *segment;
	const unsigned char *frame;
	struct reader *reader;
	struct backend *backend;
	struct object object;
	uint32_t room = SEGMENT_BYTES - desc_offset(word);
	int error = 0;

	word = resolve(store, word);
	if ((desc_state(word) != DESC_STORED && desc_state(word) != DESC_RESIDENT) ||
	    !desc_segment(word))
		return -ENOENT;
	room = SEGMENT_BYTES - desc_offset(word);
	segment = segment_of(store, desc_segment(word));
	reader = reader_take(store);
	atomic_fetch_add(&segment->pins, 1);
	frame = segment_look(store, segment, &backend);
	if (frame)
		frame += desc_offset(word);
	else
		error = backend ? object_fetch(store, reader, segment, backend, word, &room,
					       read_device)
				: -EIO;
	if (!error && object_read(frame ? frame : reader->buffer, room, &object)) {
		*codec = codec_name(object.codec);
		*bytes = object_bytes(object);
		*pages = object.pages;
	} else if (!error) {
		error = -EILSEQ;
	}
	atomic_fetch_sub_explicit(&segment->pins, 1, memory_order_release);
	reader_return(reader);
	return error;
}
