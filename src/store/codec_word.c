/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include "store/codec_word.h"

#define WORDS	   512u
#define GROUP	   16u /* words whose tags fill one 64-bit word */
#define TAG_BYTES  (WORDS / 2)
#define HASH_BITS  8
#define MULTIPLIER 0x9e3779b97f4a7c15ull

/* What follows for each tag: a distance or not, then so many low bytes. */
static const uint8_t tag_low[16] = {0, 1, 2, 3, 4, 5, 6, 8, 0, 1, 2, 3, 4, 0, 0, 0};
static const uint8_t tag_far[16] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0};

static uint64_t load64(const void *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

static uint64_t low_mask(unsigned int bytes)
{
	return bytes >= 8 ? ~0ull : (1ull << bytes * 8) - 1;
}

static unsigned int significant_bytes(uint64_t word)
{
	return word ? (71 - (unsigned int)__builtin_clzll(word)) / 8 : 0;
}

size_t word_encode(const void *page, uint8_t *out, size_t room)
{
	uint16_t exact[1 << HASH_BITS] = {0}, near[1 << HASH_BITS] = {0};
	const uint8_t *in = page;
	uint8_t *p = out + TAG_BYTES;
	uint8_t *limit = out + room - WORD_SLACK;

	for (unsigned int i = 0; i < WORDS; i++) {
		uint64_t word = load64(in + i * 8);
		uint16_t *full = &exact[word * MULTIPLIER >> (64 - HASH_BITS)];
		uint16_t *high = &near[(word >> 16) * MULTIPLIER >> (64 - HASH_BITS)];
		unsigned int bytes = significant_bytes(word), tag, from = *full;

		tag = bytes == 7 ? 7 : bytes == 8 ? 7 : bytes;
		if (bytes > 1 && from < i && i - from <= 256 && load64(in + from * 8) == word) {
			tag = 8;
		} else {
			from = *high;
			if (from < i && i - from <= 256) {
				bytes = significant_bytes(word ^ load64(in + from * 8));
				if (bytes <= 4 && bytes + 1u < tag_low[tag])
					tag = 8 + bytes;
			}
		}
		*full = *high = (uint16_t)i;
		if (tag_far[tag])
			*p++ = (uint8_t)(i - from - 1);
		memcpy(p, &word, 8);
		p += tag_low[tag];
		if (i % 2)
			out[i / 2] |= (uint8_t)(tag << 4);
		else
			out[i / 2] = (uint8_t)tag;
		if (p > limit)
			return 0;
	}
	return (size_t)(p - out);
}

int word_decode(const uint8_t *in, size_t length, void *page)
{
	uint8_t tail[2 * WORD_SLACK] = {0};
	const uint8_t *p = in + TAG_BYTES, *end = in + length;
	uint8_t *out = page;
	unsigned int bad = 0;
	bool in_tail = false;

	if (length < TAG_BYTES)
		return -EILSEQ;
	memset(page, 0, WORDS * 8);
	for (unsigned int group = 0; group < WORDS / GROUP; group++) {
		uint64_t tags = load64(in + group * 8);

		if ((size_t)(end - p) < WORD_SLACK && !in_tail) {
			size_t left = (size_t)(end - p);

			in_tail = true;
			memcpy(tail, p, left);
			p = tail;
			end = tail + left;
		}
		for (unsigned int i = group * GROUP; i < (group + 1) * GROUP; i++, tags >>= 4) {
			unsigned int tag = tags & 15, distance = p[0] + 1u;
			uint64_t mask = low_mask(tag_low[tag]), word;

			word = load64(p + tag_far[tag]) & mask;
			if (tag_far[tag]) {
				bad |= distance > i;
				word |= load64(out + (i - distance) % WORDS * 8) & ~mask;
			}
			bad |= tag > 12;
			memcpy(out + i * 8, &word, 8);
			p += tag_low[tag] + tag_far[tag];
		}
		if (p > end)
			return -EILSEQ;
	}
	return bad || p != end ? -EILSEQ : 0;
}
