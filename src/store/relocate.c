// SPDX-License-Identifier: MIT
/*
 * Moving what is live out of a segment that the cleaner empties.
 *
 * A descriptor is changed only by compare-and-swap from an unlocked word that
 * still names the object. So nobody reads the old place through it, and what
 * cannot move now (locked, leaving, not yet published) just stays: every word
 * counts in its segment, and a segment is free only when the count is nil.
 *
 * Single pages are copied as they are. When `strong`, neighbours of an aligned
 * group of 16 slots are read from wherever they lie in RAM and become one zstd
 * object. They are read without a lock: a location never changes its bytes while its segment is
 * held, and frozen where it is filled in place.
 */
#include "store/relocate.h"

#include <assert.h>
#include "store/private.h"
#include "store/segment.h"

#define LOCATION desc_location(~0ull)

/* A page of a run to be: its holder and the word that was seen there. */
struct member {
	slot_t *slot;
	desc_t word;
	uint64_t hash;
};

static desc_t slot_load(slot_t *slot)
{
	return atomic_load_explicit(slot, memory_order_acquire);
}

/* The holder may be changed and needs the bytes. */
static bool is_movable(desc_t word, desc_t location)
{
	return !(word & DESC_LOCK) && desc_state(word) == DESC_STORED &&
	       desc_location(word) == desc_location(location);
}

/* Points the slot at the copy; referenced and age bits stay. */
static void repoint(struct cleaning *cleaning, slot_t *slot, desc_t word, desc_t copy)
{
	desc_t location = word;

	do {
		if (slot_change(slot, word, copy | (word & (DESC_REFERENCED | DESC_AGE_MASK)))) {
			if (desc_segment(location) != cleaning->id || cleaning->in_place)
				cleaning->relieved += desc_length(location);
			store_drop(cleaning->store, location);
			return;
		}
		word = slot_load(slot);
	} while (is_movable(word, location));
	store_drop(cleaning->store, copy);
}

/* Room behind what was put for single pages, or for a run. All that was put so far is published. */
static bool reserve(struct cleaning *cleaning, unsigned int pages, bool run)
{
	writer_select(cleaning->writer, !run);
	if (store_reserve(cleaning->writer, pages))
		cleaning->stuck = true;
	return !cleaning->stuck;
}

static bool page_is_right(const struct cleaning *cleaning, const unsigned char *page, uint64_t hash)
{
	return page_hash(cleaning->store, page) == hash;
}

/* It is from before a backend came that seals. */
static bool lacks_tag(const struct cleaning *cleaning, struct object object)
{
	return cleaning->store->seal && !object.tagged;
}

/* ---- single pages ---- */

/* Puts a single page's object into a hole, which takes no room that others wait for, else behind
 * the others. 0: nowhere. */
static desc_t place(struct cleaning *cleaning, const void *object, uint32_t bytes)
{
	struct store_writer *writer = cleaning->writer;
	desc_t word;

	writer_select(writer, true);
	word = writer_fill(writer, object, bytes);
	if (!word && reserve(cleaning, 1, false))
		word = writer_append(writer, object, bytes, 1);
	cleaning->copied += desc_length(word);
	return word;
}

/* Copies the object byte for byte, with a tag where one is needed; a header names who holds it now.
 */
static void copy_single(struct cleaning *cleaning, slot_t *slot, desc_t word)
{
	const unsigned char *from = cleaning->frame + desc_offset(word);
	unsigned char copy[OBJECT_HEADER(1) + PAGE_BYTES + STORE_GRAIN + SEAL_TAG];
	struct object object;
	uint64_t header;
	desc_t placed;

	if (!object_read(from, SEGMENT_BYTES - desc_offset(word), &object) || object.pages != 1 ||
	    object_bytes(object) > sizeof(copy))
		return;
	memcpy(copy, from, object_bytes(object));
	object.slot = space_id(cleaning->store->space, slot);
	if (lacks_tag(cleaning, object)) {
		object.tagged = true;
		memset(copy + object_bytes(object) - SEAL_TAG, 0, SEAL_TAG);
	}
	header = object_pack(object);
	memcpy(copy, &header, sizeof(header));
	placed = place(cleaning, copy, object_bytes(object));
	if (placed)
		repoint(cleaning, slot, word, placed);
}

/* A page of a run becomes a single page again. */
static void put_single(struct cleaning *cleaning, slot_t *slot, desc_t word, const void *page)
{
	struct store_writer *writer = cleaning->writer;
	uint32_t bytes =
		writer_encode(writer, space_id(cleaning->store->space, slot), page, writer->single);
	desc_t placed = place(cleaning, writer->single, bytes);

	if (placed)
		repoint(cleaning, slot, word, placed);
}

/* ---- runs ---- */

/* Makes one object of `count` pages; false if it would take `room` bytes or more. */
static bool put_run(struct cleaning *cleaning, const struct member *members,
		    const unsigned char *pages, unsigned int count, uint32_t room)
{
	struct store_writer *writer = cleaning->writer;
	unsigned char *out = writer->scratch + CODEC_MAX_PAGES * PAGE_BYTES;
	uint32_t header = OBJECT_HEADER(count), bytes;
	struct object object = {
		.slot = space_id(cleaning->store->space, members[0].slot),
		.pages = count,
		.codec = CODEC_ZSTD,
		.tagged = writer->store->seal,
	};
	uint64_t word;
	desc_t first;

	if (room <= header || !reserve(cleaning, CODEC_MAX_PAGES + 1, true))
		return false;
	object.length = (uint32_t)codec_encode_run(writer->codec, pages, count, out + header,
						   room - header);
	if (!object.length)
		return false;
	word = object_pack(object);
	memcpy(out, &word, sizeof(word));
	for (unsigned int i = 0; i < count; i++)
		memcpy(out + 8 + 8 * i, &members[i].hash, sizeof(members[i].hash));
	bytes = object_bytes(object);
	memset(out + header + object.length, 0, bytes - header - object.length);
	first = writer_append(writer, out, bytes, count);
	cleaning->copied += bytes;
	count_add(&writer->counts.recoded_pages, count);
	count_add(&writer->counts.recoded_bytes, bytes);
	for (unsigned int i = 0; i < count; i++)
		repoint(cleaning, members[i].slot, members[i].word, desc_at_index(first, i));
	return true;
}

static void release_member(struct cleaning *cleaning, const struct member *member)
{
	if (cleaning->store->holes.bits)
		holes_thaw(cleaning->store,
			   segment_of(cleaning->store, desc_segment(member->word)));
	segment_release(cleaning->store, desc_segment(member->word), LIVE_WORD);
}

/* Reads the page of a word that is not locked, and keeps a hold on its segment: until it is given
 * up the word, as it was seen, names these very bytes. False, and no hold: it moved, is not in RAM,
 * is bad, or must not go to the tiers that the copy may go to. */
static bool read_member(struct cleaning *cleaning, struct member *member, unsigned char *page)
{
	struct store *store = cleaning->store;
	uint32_t id = desc_segment(member->word), offset = desc_offset(member->word), frame;
	struct segment *segment = segment_of(store, id);
	enum segment_state state;
	bool good = false;

	if (!segment_hold(segment))
		return false;
	/* Whether it is filled in place is not known before it is the word's for certain. */
	if (store->holes.bits)
		holes_freeze(store, segment);
	atomic_fetch_add(&segment->pins, 1);
	state = segment_state(segment);
	frame = atomic_load(&segment->frame);
	/* The hold keeps the segment from being reused, and freezing it the place in it, if it
	 * still was the word's. */
	if (desc_location(slot_load(member->slot)) == desc_location(member->word) &&
	    frame != FRAME_NONE && segment->tiers == cleaning->writer->open.tiers &&
	    (id == cleaning->id || state == SEGMENT_SEALED || state == SEGMENT_CACHED)) {
		const unsigned char *bytes = frame_address(store, frame) + offset;

		member->hash = object_hash(bytes, desc_index(member->word));
		good = !object_decode(cleaning->writer->codec, bytes, SEGMENT_BYTES - offset,
				      (int)desc_index(member->word), page) &&
		       page_is_right(cleaning, page, member->hash);
	}
	atomic_fetch_sub_explicit(&segment->pins, 1, memory_order_release);
	if (!good)
		release_member(cleaning, member);
	return good;
}

static void release_members(struct cleaning *cleaning, const struct member *members,
			    unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		release_member(cleaning, &members[i]);
}

/* Packs neighbours of which at least one lies in the segment that is being emptied. */
static void recode_neighbours(struct cleaning *cleaning, const struct member *members,
			      const unsigned char *pages, unsigned int count)
{
	uint32_t bytes = 0;
	bool here = false;

	for (unsigned int i = 0; i < count; i++) {
		bytes += desc_length(members[i].word);
		here |= desc_segment(members[i].word) == cleaning->id;
	}
	/* Less than an eighth of gain does not pay for reading 16 pages to get one. */
	if (here)
		put_run(cleaning, members, pages, count, bytes - bytes / 8);
}

static void recode_group(struct cleaning *cleaning, uint64_t id)
{
	uint64_t base = id & ~(uint64_t)(CODEC_MAX_PAGES - 1);
	struct member members[CODEC_MAX_PAGES];
	unsigned char *pages = cleaning->writer->scratch;
	unsigned int count = 0;

	cleaning->group = base;
	for (unsigned int i = 0; i < CODEC_MAX_PAGES; i++) {
		struct member *member = &members[count];

		member->slot = space_slot(cleaning->store->space, base + i);
		member->word = slot_load(member->slot);
		if (is_movable(member->word, member->word) && desc_length(member->word) &&
		    read_member(cleaning, member, pages + count * PAGE_BYTES)) {
			count++;
			continue;
		}
		recode_neighbours(cleaning, members, pages, count);
		release_members(cleaning, members, count);
		count = 0;
	}
	recode_neighbours(cleaning, members, pages, count);
	release_members(cleaning, members, count);
}

/* ---- what is in the segment ---- */

/* A resident page's object is only a clean copy. True if the word still needs its bytes. */
static bool settle_shadow(struct cleaning *cleaning, slot_t *slot, desc_t word)
{
	if (desc_state(word) != DESC_RESIDENT)
		return true;
	if (!(word & DESC_LOCK) && slot_change(slot, word, word & ~LOCATION))
		store_drop(cleaning->store, word);
	return false;
}

static bool find_member(struct cleaning *cleaning, uint64_t id, desc_t location,
			struct member *member)
{
	member->slot = space_find_holder(cleaning->store->space, id, location);
	if (!member->slot)
		return false;
	member->word = slot_load(member->slot);
	if (desc_location(member->word) != location)
		return false;
	return settle_shadow(cleaning, member->slot, member->word) &&
	       is_movable(member->word, location);
}

static void relocate_single(struct cleaning *cleaning, uint64_t id, desc_t location)
{
	struct member member;

	if (!find_member(cleaning, id, location, &member))
		return;
	id = space_id(cleaning->store->space, member.slot);
	if (cleaning->strong && !(id & SLOT_ANCHOR) &&
	    (id & ~(uint64_t)(CODEC_MAX_PAGES - 1)) != cleaning->group)
		recode_group(cleaning, id);
	member.word = slot_load(member.slot);
	if (!cleaning->stuck && !cleaning->in_place && is_movable(member.word, location))
		copy_single(cleaning, member.slot, member.word);
}

/* Copies a run of which nearly all is live; its dead pages die with the copy. */
static void copy_run(struct cleaning *cleaning, const unsigned char *bytes, struct object object,
		     const struct member *members, uint32_t live)
{
	desc_t first;

	if (!reserve(cleaning, CODEC_MAX_PAGES + 1, true))
		return;
	first = writer_append(cleaning->writer, bytes, object_bytes(object), object.pages);
	cleaning->copied += object_bytes(object);
	for (unsigned int i = 0; i < object.pages; i++) {
		if (live >> i & 1)
			repoint(cleaning, members[i].slot, members[i].word,
				desc_at_index(first, i));
		else
			store_drop(cleaning->store, desc_at_index(first, i));
	}
}

/* Decodes a run and packs again what is live of it. */
static void split_run(struct cleaning *cleaning, const unsigned char *bytes, uint32_t room,
		      unsigned int pages, struct member *members, uint32_t live)
{
	unsigned char *decoded = cleaning->writer->scratch;
	unsigned int first = 0;

	if (object_decode(cleaning->writer->codec, bytes, room, -1, decoded))
		return;
	for (unsigned int i = 0; i < pages; i++) {
		members[i].hash = object_hash(bytes, i);
		if (live >> i & 1 &&
		    !page_is_right(cleaning, decoded + i * PAGE_BYTES, members[i].hash))
			live &= ~(1u << i);
	}
	while (first < pages && !cleaning->stuck) {
		unsigned int count = 0;

		while (first + count < pages && live >> (first + count) & 1)
			count++;
		if (count > 1 && put_run(cleaning, members + first, decoded + first * PAGE_BYTES,
					 count, count * PAGE_BYTES))
			first += count;
		for (; count && first < pages && live >> first & 1; first++)
			put_single(cleaning, members[first].slot, members[first].word,
				   decoded + first * PAGE_BYTES);
		first++;
	}
}

static void relocate_run(struct cleaning *cleaning, uint32_t offset, struct object object)
{
	struct member members[CODEC_MAX_PAGES];
	const unsigned char *bytes = cleaning->frame + offset;
	uint32_t live = 0;

	for (unsigned int i = 0; i < object.pages; i++)
		if (find_member(cleaning, object.slot + i,
				desc_make_location(cleaning->id, offset, 0, i), &members[i]))
			live |= 1u << i;
	if (!live)
		return;
	if ((unsigned int)__builtin_popcount(live) * 4 >= object.pages * 3 &&
	    !lacks_tag(cleaning, object))
		copy_run(cleaning, bytes, object, members, live);
	else
		split_run(cleaning, bytes, SEGMENT_BYTES - offset, object.pages, members, live);
}

void relocate_object(struct cleaning *cleaning, uint32_t offset, struct object object)
{
	if (object.pages > 1)
		relocate_run(cleaning, offset, object);
	else
		relocate_single(cleaning, object.slot,
				desc_make_location(cleaning->id, offset, object_bytes(object), 0));
}

void relocate_word(struct cleaning *cleaning, slot_t *slot, desc_t word)
{
	struct member member = {.slot = slot, .word = word};

	if (!settle_shadow(cleaning, slot, word) || !is_movable(word, word) || cleaning->stuck)
		return;
	if (desc_length(word)) {
		copy_single(cleaning, slot, word);
	} else if (read_member(cleaning, &member, cleaning->writer->scratch)) {
		put_single(cleaning, slot, word, cleaning->writer->scratch);
		release_members(cleaning, &member, 1);
	}
}
