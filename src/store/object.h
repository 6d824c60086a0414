/* SPDX-License-Identifier: MIT */
/*
 * An object as it lies in a segment: a header, the encoded bytes, zeros up to the grain; and where
 * segments may come to be sealed (seal.h), room for a tag.
 *
 *   63  62 61 60      57 56           41 40         0
 *  +---+-------+----------+---------------+------------+---------+---- - -+-----
 *  |tag| codec | count-1  | length-1 (16) | slot id    | xxh3[0] | ...    | bytes
 *  +---+-------+----------+---------------+------------+---------+---- - -+-----
 *
 * One XXH3 of 64 bits for each page's content, keyed with a secret of this run, so
 * that a page can be checked without decoding its neighbours, and nobody outside can make another
 * page that passes. 16 bytes of header for a single page.
 */
#ifndef STORE_OBJECT_H
#define STORE_OBJECT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "codec/codec.h"
#include "space/descriptor.h"
#include "store/seal.h"

#define OBJECT_SLOT_BITS     41
#define OBJECT_HEADER(pages) (8u + 8u * (pages))
#define OBJECT_HIGHEST \
	(OBJECT_HEADER(CODEC_MAX_PAGES) + CODEC_MAX_PAGES * PAGE_BYTES + STORE_GRAIN + SEAL_TAG)

struct object {
	uint64_t slot;	 /* of the first page; the others follow it */
	uint32_t length; /* of the encoded bytes, 1..65536 */
	unsigned int pages;
	enum codec_kind codec;
	bool tagged; /* has room for a seal's tag at its end */
};

static inline uint64_t object_pack(struct object object)
{
	return object.slot | (uint64_t)(object.length - 1) << OBJECT_SLOT_BITS |
	       (uint64_t)(object.pages - 1) << 57 | (uint64_t)object.codec << 61 |
	       (uint64_t)object.tagged << 63;
}

static inline struct object object_unpack(uint64_t word)
{
	return (struct object){
		.slot = word & ((1ull << OBJECT_SLOT_BITS) - 1),
		.length = (uint32_t)(word >> OBJECT_SLOT_BITS & 0xffff) + 1,
		.pages = (unsigned int)(word >> 57 & 15) + 1,
		.codec = (enum codec_kind)(word >> 61 & 3),
		.tagged = word >> 63,
	};
}

/* With header, padding and tag. */
static inline uint32_t object_bytes(struct object object)
{
	uint32_t bytes = OBJECT_HEADER(object.pages) + object.length + STORE_GRAIN - 1;

	return (bytes & ~(STORE_GRAIN - 1)) + (object.tagged ? SEAL_TAG : 0);
}

/* False when [bytes, bytes + room) cannot hold what its header says (or any header). */
static inline bool object_read(const void *bytes, uint32_t room, struct object *object)
{
	uint64_t word;

	if (room < OBJECT_HEADER(1))
		return false;
	memcpy(&word, bytes, sizeof(word));
	*object = object_unpack(word);
	return word && object_bytes(*object) <= room;
}

static inline uint64_t object_hash(const void *bytes, unsigned int index)
{
	uint64_t hash;

	memcpy(&hash, (const unsigned char *)bytes + 8 + 8 * index, sizeof(hash));
	return hash;
}

#endif
