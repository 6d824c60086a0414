/* SPDX-License-Identifier: MIT */
/*
 * The word codec: one page of 4096 bytes as 512 words of 64 bits. In the manner
 * of WKdm (Wilson, Kaplan and Smaragdakis, 1999), but a word refers to an
 * earlier word by its distance, so that the decoder keeps no dictionary.
 *
 *   +------+-------------------+--------------+------------------+---------------+
 *   | mode | SPARSE: bitmap of | tags, 4 bits | distance - 1 of  | payload bytes |
 *   |  1   | words not zero 64 | a word       | each far word, 1 | of each word  |
 *   +------+-------------------+--------------+------------------+---------------+
 *
 * A tag says which bytes of its word stand in the payload. The others are zero
 * (tags 0..7), or those of the word `distance` (1..256) before it (tags 8..15,
 * "far"). A word before the first is zero. A sparse page leaves out its words
 * that are zero; the rest is coded as if it were the page, padded with zeros to
 * a multiple of 16 words. Words are in the machine's byte order (objects never go
 * to a machine of the other kind), tags from the low nibble up.
 */
#ifndef CODEC_CODEC_WORD_H
#define CODEC_CODEC_WORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Encoders write up to this far past the end of what they return. */
#define WORD_SLACK 64u

struct word_codec {
	/*
	 * Encodes a page into `out`, which has room for `most` + WORD_SLACK bytes.
	 * Returns the length, at most `most`, or 0 if it does not fit.
	 */
	size_t (*encode)(const void *page, uint8_t *out, size_t most);
	/* Decodes exactly `length` bytes to 4096. 0 or -EILSEQ; see codec_decode. */
	int (*decode)(const uint8_t *in, size_t length, void *page);
};

/* What this processor runs best. All write the same bytes and read each other's. */
const struct word_codec *word_best(void);

extern const struct word_codec word_portable;
#if defined(__x86_64__)
/* With AVX-512 (VBMI2: Intel from 2019, AMD from 2022), whose byte compress and expand do a
 * payload of eight words at once. */
extern const struct word_codec word_avx512;
#endif

/* ---- for the implementations ---- */

#define WORDS	    512u
#define WORD_GROUP  16u /* words whose tags fill one 64-bit word */
#define WORD_BLOCK  64u /* words that the encoder searches together */
#define WORD_BITMAP (WORDS / 8)
#define WORD_TABLE  256u /* entries of each of the encoder's two tables */

/* Words that are zero from which the bitmap saves more than it takes. */
#define WORD_SPARSE_FROM 160u
/*
 * The search for earlier words ends, for this page, when it has saved less than
 * one byte for so many words looked up.
 */
#define WORD_FAR_PAYS 4u

enum word_mode { WORD_DENSE = 0, WORD_SPARSE = 1 };

/* By tag: which bytes of the word stand in the payload. */
#define WORD_TAG_BYTES                                                                            \
	0x00, 0x01, 0x03, 0x07, 0x0f, 0x3f, 0xf0, 0xff, 0x00, 0x01, 0x03, 0x07, 0x0f, 0xf0, 0xff, \
		0xff

/* By tag: the bits that a far word keeps of the earlier one. */
#define WORD_TAG_KEEPS                                                                     \
	0, 0, 0, 0, 0, 0, 0, 0, ~0ull, ~0xffull, ~0xffffull, ~0xffffffull, ~0xffffffffull, \
		0xffffffffull, 0, 0

/*
 * The cost of a word is its bytes (distance included), times 16, plus its tag:
 * the least is the best way to say it. It follows from which bytes of the word,
 * or of its difference to an earlier word, are not zero: the higher of what
 * bytes 4..7 ask for (first row, by four bits) and bytes 0..3 ask for (second
 * row); or else, only bytes 4..7 (third row) if bytes 0..3 ask for none.
 */
#define WORD_COST(bytes, tag) ((bytes)*16 + (tag))
#define WORD_NEVER	      0xff

#define WORD_FOUR(cost) cost, cost, cost, cost
#define WORD_LOW_BYTES(c0, c1, c2, c3, c4) \
	c0, c1, c2, c2, WORD_FOUR(c3), WORD_FOUR(c4), WORD_FOUR(c4)
#define WORD_NEAR_HIGH                                                                    \
	0, WORD_COST(6, 5), WORD_COST(6, 5), WORD_COST(6, 5), WORD_FOUR(WORD_COST(8, 7)), \
		WORD_FOUR(WORD_COST(8, 7)), WORD_FOUR(WORD_COST(8, 7))
#define WORD_NEAR_LOW                                                                      \
	WORD_LOW_BYTES(WORD_COST(0, 0), WORD_COST(1, 1), WORD_COST(2, 2), WORD_COST(3, 3), \
		       WORD_COST(4, 4))
#define WORD_NEAR_ONLY_HIGH WORD_COST(4, 6)
#define WORD_FAR_HIGH                                                                        \
	0, WORD_NEVER, WORD_NEVER, WORD_NEVER, WORD_FOUR(WORD_NEVER), WORD_FOUR(WORD_NEVER), \
		WORD_FOUR(WORD_NEVER)
#define WORD_FAR_LOW                                                                         \
	WORD_LOW_BYTES(WORD_COST(1, 8), WORD_COST(2, 9), WORD_COST(3, 10), WORD_COST(4, 11), \
		       WORD_COST(5, 12))
#define WORD_FAR_ONLY_HIGH WORD_COST(5, 13)

/* Hashes fold 64 bits to 32, multiply, and take bits 32..39 of the product. */
#define WORD_MULTIPLIER 0x9e3779b1u

/* Where the parts of an encoded page begin. */
struct word_head {
	const uint8_t *bitmap; /* NULL: dense */
	const uint8_t *tags;
	unsigned int count; /* of words with tags */
};

/* Mode and, if sparse, the bitmap; returns where the tags begin. */
static inline uint8_t *word_write_head(uint8_t *out, enum word_mode mode, const uint8_t *bitmap)
{
	*out++ = (uint8_t)mode;
	if (mode == WORD_DENSE)
		return out;
	memcpy(out, bitmap, WORD_BITMAP);
	return out + WORD_BITMAP;
}

static inline uint64_t load64(const void *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

/* False if the input cannot hold what its head promises; payload and distances are unchecked. */
static inline bool word_read_head(struct word_head *head, const uint8_t *in, size_t length)
{
	unsigned int ones = 0;

	*head = (struct word_head){.tags = in + 1, .count = WORDS};
	if (length < 1 || in[0] > WORD_SPARSE)
		return false;
	if (in[0] == WORD_DENSE)
		return length >= 1 + WORDS / 2;
	if (length < 1 + WORD_BITMAP)
		return false;
	head->bitmap = in + 1;
	head->tags += WORD_BITMAP;
	for (unsigned int i = 0; i < WORD_BITMAP; i += 8)
		ones += (unsigned int)__builtin_popcountll(load64(head->bitmap + i));
	head->count = (ones + WORD_GROUP - 1) / WORD_GROUP * WORD_GROUP;
	return length >= 1 + WORD_BITMAP + head->count / 2;
}

#endif
