/* SPDX-License-Identifier: MIT */
/*
 * The descriptor: the one 8-byte word of a slot. It is the page-table entry of
 * a swapped page and of a resident one; nothing else is kept for a page.
 *
 *   63    61 60   57 56      48 47        32 31         8  7  6 5 4  3  2  0
 *  +--------+-------+----------+------------+------------+---+---+-+--+-----+
 *  |   0    | index | length16 | offset16   | segment    | f |age|r|lk|state|  a location
 *  |            0           |       anchor (32)          |   |   |r|lk|state|  shared
 *  |                repeated word (56)                   |w32|   |r|lk|state|  same
 *  +--------+-------+----------+------------+------------+---+---+-+--+-----+
 *
 * `segment` is 1..2^24-1; 0 means "no location". A `resident` or `leaving` descriptor
 * may have a location: the stored object then still holds what the page held when
 * it came in (a shadow, kept so that a clean page need not be encoded again).
 * offset16 and length16 are in units of 16 bytes from the segment's start;
 * length16 is 0 when the object is longer than the field (then its header
 * tells). index is the page's place in an object of several pages.
 *
 * Who may change a descriptor, and how: see space.h. Every change is a
 * compare-and-swap from a word that was seen. While DESC_LOCK is set only the
 * thread that set it may change the word, and the object that the location
 * names stays where it is.
 */
#ifndef SPACE_DESCRIPTOR_H
#define SPACE_DESCRIPTOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/page.h"

#define CLUSTER_SLOTS 16u
#define CLUSTER_SHIFT 16  /* log2 of the bytes that a cluster maps */
#define STORE_GRAIN   16u /* unit of offset16 and length16, bytes */

typedef uint64_t desc_t;	 /* a descriptor's value */
typedef _Atomic uint64_t slot_t; /* a descriptor in its cluster */

enum desc_state {
	DESC_ABSENT = 0,   /* no bytes: a missing page reads as zeros */
	DESC_RESIDENT = 1, /* the owner made the page present */
	DESC_LEAVING = 2,  /* an eviction batch has it */
	DESC_ZERO = 3,	   /* swapped out, all zeros */
	DESC_SAME = 4,	   /* swapped out, one repeated word */
	DESC_STORED = 5,   /* swapped out, bytes at a location */
	DESC_SHARED = 6,   /* swapped out, an anchor says where */
	DESC_BAD = 7,	   /* its bytes are lost: the page is poisoned */
};

#define DESC_STATE_MASK 7ull
#define DESC_LOCK	(1ull << 3)	/* a thread works on the slot */
#define DESC_REFERENCED (1ull << 4)	/* used since the CLOCK hand passed */
#define DESC_MARKED	DESC_REFERENCED /* swapped: the page has a mark (attach/marks.h) */
#define DESC_AGE_SHIFT	5		/* two bits: laps that the page still survives */
#define DESC_AGE_MASK	(3ull << DESC_AGE_SHIFT)
#define DESC_WIDE	(1ull << 7) /* same: the word is 32 bits, repeated */
#define DESC_FIXED	(1ull << 7) /* resident, leaving: the kernel did not move it */

static inline enum desc_state desc_state(desc_t d)
{
	return (enum desc_state)(d & DESC_STATE_MASK);
}

/* A missing page's bytes are in the store, or follow from the word. */
static inline bool desc_is_swapped(desc_t word)
{
	switch (desc_state(word)) {
	case DESC_ZERO:
	case DESC_SAME:
	case DESC_STORED:
	case DESC_SHARED:
		return true;
	default:
		return false;
	}
}

static inline uint32_t desc_segment(desc_t d)
{
	return (uint32_t)(d >> 8) & 0xffffffu;
}

/* Byte offset in the segment. */
static inline uint32_t desc_offset(desc_t d)
{
	return ((uint32_t)(d >> 32) & 0xffffu) * STORE_GRAIN;
}

/* Bytes of the object with its header, rounded up to the grain; 0: ask the header. */
static inline uint32_t desc_length(desc_t d)
{
	return ((uint32_t)(d >> 48) & 0x1ffu) * STORE_GRAIN;
}

static inline unsigned int desc_index(desc_t d)
{
	return (unsigned int)(d >> 57) & 15u;
}

/* Only the location's bits; equal for two words that name the same page of the same object. */
static inline desc_t desc_location(desc_t d)
{
	return d & 0x1fffffffffffff00ull;
}

/* A stored page, or a copy of one that is in memory. */
static inline bool desc_has_location(desc_t d)
{
	enum desc_state state = desc_state(d);

	return (state == DESC_STORED || state == DESC_RESIDENT || state == DESC_LEAVING) &&
	       desc_segment(d);
}

static inline desc_t desc_make_location(uint32_t segment, uint32_t offset, uint32_t length,
					unsigned int index)
{
	uint64_t units = (length + STORE_GRAIN - 1) / STORE_GRAIN;

	if (units > 0x1ff)
		units = 0;
	return (uint64_t)segment << 8 | (uint64_t)(offset / STORE_GRAIN) << 32 | units << 48 |
	       (uint64_t)index << 57;
}

/* The page `index` of the object whose first page the word names. */
static inline desc_t desc_at_index(desc_t first, unsigned int index)
{
	return first | (uint64_t)index << 57;
}

static inline desc_t desc_make_stored(desc_t location)
{
	return desc_location(location) | DESC_STORED;
}

static inline desc_t desc_make_shared(uint32_t anchor)
{
	return (uint64_t)anchor << 8 | DESC_SHARED;
}

static inline uint32_t desc_anchor(desc_t d)
{
	return (uint32_t)(d >> 8);
}

/* A repeated 64-bit word as a descriptor; false if it does not fit. */
bool desc_make_same(uint64_t word, desc_t *out);
/* The repeated word of a DESC_SAME descriptor. */
uint64_t desc_same_word(desc_t d);

const char *desc_state_name(enum desc_state state);

#endif
