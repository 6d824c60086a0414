/* SPDX-License-Identifier: MIT */
/*
 * The word codec with AVX-512. The format was made for it: the payload of eight
 * words is one byte compress (or expand) under a mask of 64 bits that comes
 * from the eight tags by one table lookup. What stays scalar is the walk through
 * the encoder's tables, where each step may depend on the one before, and
 * the decoder's far words.
 */
#include "store/codec_word.h"

#if defined(__x86_64__)
#include <errno.h>
#include <immintrin.h>
#include <string.h>

#define target_avx512                                                                      \
	__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2," \
			      "avx512vpopcntdq,bmi,bmi2,lzcnt,popcnt")))

static const uint8_t tag_bytes[16] = {WORD_TAG_BYTES};

struct encoder {
	_Alignas(64) uint64_t words[WORDS + WORD_BLOCK];
	_Alignas(64) uint8_t all[WORD_TABLE], high[WORD_TABLE]; /* word's place by its hash */
	_Alignas(64) uint8_t masks[WORDS];			/* payload bytes of each word */
	uint8_t tags[WORDS / 2];
	uint8_t distances[WORDS + WORD_BLOCK];
	unsigned int count, far, payload;
};

/* Where the two tables point for each word of a block. */
struct candidates {
	_Alignas(64) uint8_t hash_all[WORD_BLOCK], hash_high[WORD_BLOCK];
	_Alignas(64) uint8_t all[WORD_BLOCK], high[WORD_BLOCK];
};

target_avx512 static inline __m512i table16(const uint8_t *table)
{
	return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)table));
}

target_avx512 static inline __m128i hash8(__m512i words)
{
	__m512i folded = _mm512_xor_si512(words, _mm512_srli_epi64(words, 32));
	__m512i product = _mm512_mul_epu32(folded, _mm512_set1_epi64(WORD_MULTIPLIER));

	return _mm512_cvtepi64_epi8(_mm512_srli_epi64(product, 32));
}

target_avx512 static inline void look_up(struct encoder *e, unsigned int at, struct candidates *c)
{
	for (unsigned int i = 0; i < WORD_BLOCK; i += 8) {
		__m512i words = _mm512_load_si512(e->words + at + i);

		_mm_storel_epi64((__m128i *)(c->hash_all + i), hash8(words));
		_mm_storel_epi64((__m128i *)(c->hash_high + i),
				 hash8(_mm512_srli_epi64(words, 16)));
	}
	for (unsigned int i = 0; i < WORD_BLOCK; i++) {
		uint8_t *all = &e->all[c->hash_all[i]], *high = &e->high[c->hash_high[i]];

		c->all[i] = *all;
		c->high[i] = *high;
		*all = *high = (uint8_t)(at + i);
	}
}

/* Which bytes of each of eight words differ from those of the word that `place` names. */
target_avx512 static inline uint64_t differences(const struct encoder *e, unsigned int at,
						 __m512i words, const uint8_t *place)
{
	__m512i before = _mm512_add_epi64(_mm512_set1_epi64((long long)at - 1),
					  _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0));
	__m512i places = _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)place));
	__m512i back = _mm512_and_si512(_mm512_sub_epi64(before, places), _mm512_set1_epi64(255));
	__m512i from = _mm512_max_epi64(_mm512_sub_epi64(before, back), _mm512_setzero_si512());
	__m512i earlier = _mm512_i64gather_epi64(from, e->words, 8);
	__m512i difference = _mm512_xor_si512(words, earlier);

	return _mm512_test_epi8_mask(difference, difference);
}

/* The costs of 64 words from which of their bytes must be said. */
target_avx512 static inline __m512i costs(__m512i bytes, const uint8_t *high_table,
					  const uint8_t *low_table, uint8_t only_high_cost)
{
	__m512i low = _mm512_and_si512(bytes, _mm512_set1_epi8(15));
	__m512i high = _mm512_and_si512(_mm512_srli_epi16(bytes, 4), _mm512_set1_epi8(15));
	__m512i cost = _mm512_max_epu8(_mm512_shuffle_epi8(table16(high_table), high),
				       _mm512_shuffle_epi8(table16(low_table), low));

	return _mm512_mask_min_epu8(cost, _mm512_testn_epi8_mask(low, low), cost,
				    _mm512_set1_epi8((char)only_high_cost));
}

static const uint8_t near_high[16] = {WORD_NEAR_HIGH}, near_low[16] = {WORD_NEAR_LOW};
static const uint8_t far_high[16] = {WORD_FAR_HIGH}, far_low[16] = {WORD_FAR_LOW};

target_avx512 static inline __m512i near_costs(const struct encoder *e, unsigned int at)
{
	_Alignas(64) uint64_t bytes[8];

	for (unsigned int i = 0; i < 8; i++) {
		__m512i words = _mm512_load_si512(e->words + at + i * 8);

		bytes[i] = _mm512_test_epi8_mask(words, words);
	}
	return costs(_mm512_load_si512(bytes), near_high, near_low, WORD_NEAR_ONLY_HIGH);
}

/* The costs by way of earlier words, and the distances - 1 that go with them. */
target_avx512 static inline __m512i far_costs(struct encoder *e, unsigned int at,
					      __m512i *distances)
{
	const __m512i before = _mm512_add_epi8(
		_mm512_set1_epi8((char)(at - 1)),
		_mm512_set_epi8(63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47,
				46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30,
				29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13,
				12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
	_Alignas(64) uint64_t all[8], high[8];
	__m512i all_costs, high_costs;
	struct candidates c;
	__mmask64 better;

	look_up(e, at, &c);
	for (unsigned int i = 0; i < 8; i++) {
		__m512i words = _mm512_load_si512(e->words + at + i * 8);

		all[i] = differences(e, at + i * 8, words, c.all + i * 8);
		high[i] = differences(e, at + i * 8, words, c.high + i * 8);
	}
	all_costs = costs(_mm512_load_si512(all), far_high, far_low, WORD_FAR_ONLY_HIGH);
	high_costs = costs(_mm512_load_si512(high), far_high, far_low, WORD_FAR_ONLY_HIGH);
	better = _mm512_cmplt_epu8_mask(high_costs, all_costs);
	*distances = _mm512_sub_epi8(before, _mm512_mask_mov_epi8(_mm512_load_si512(c.all), better,
								  _mm512_load_si512(c.high)));
	all_costs = _mm512_min_epu8(all_costs, high_costs);
	/* The first word of all has none before it. */
	return at ? all_costs : _mm512_mask_set1_epi8(all_costs, 1, (char)WORD_NEVER);
}

/* Sum of the bytes that the costs stand for. */
target_avx512 static inline unsigned int sum_costs(__m512i costs)
{
	__m512i bytes = _mm512_and_si512(_mm512_srli_epi16(costs, 4), _mm512_set1_epi8(15));

	return (unsigned int)_mm512_reduce_add_epi64(
		_mm512_sad_epu8(bytes, _mm512_setzero_si512()));
}

/* Chooses the tags of a block. Returns the bytes that far tags save. */
target_avx512 static inline unsigned int plan_block(struct encoder *e, unsigned int at, bool far)
{
	__m512i near = near_costs(e, at), best = near, distances = _mm512_setzero_si512(), tags;
	unsigned int bytes, near_bytes = sum_costs(near);
	__mmask64 is_far;

	if (far)
		best = _mm512_min_epu8(near, far_costs(e, at, &distances));
	bytes = sum_costs(best);
	tags = _mm512_and_si512(best, _mm512_set1_epi8(15));
	is_far = _mm512_test_epi8_mask(best, _mm512_set1_epi8(8));
	_mm512_store_si512(e->masks + at, _mm512_shuffle_epi8(table16(tag_bytes), tags));
	_mm512_storeu_si512(e->distances + e->far, _mm512_maskz_compress_epi8(is_far, distances));
	_mm256_storeu_si256(
		(__m256i *)(e->tags + at / 2),
		_mm512_cvtepi16_epi8(_mm512_maddubs_epi16(tags, _mm512_set1_epi16(1 | 16 << 8))));
	e->far += (unsigned int)_mm_popcnt_u64(is_far);
	e->payload += bytes;
	return near_bytes - bytes;
}

/* Takes the words over, without those that are zero if they are many. */
target_avx512 static inline enum word_mode take_words(struct encoder *e, const uint8_t *page,
						      uint8_t *bitmap)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < WORD_BITMAP; i++) {
		__m512i words = _mm512_loadu_si512(page + (size_t)i * 64);

		_mm512_store_si512(e->words + i * 8, words);
		bitmap[i] = _mm512_test_epi64_mask(words, words);
		count += (unsigned int)_mm_popcnt_u32(bitmap[i]);
	}
	e->count = WORDS;
	if (count > WORDS - WORD_SPARSE_FROM)
		return WORD_DENSE;
	count = 0;
	for (unsigned int i = 0; i < WORD_BITMAP; i++) {
		__m512i words = _mm512_load_si512(e->words + i * 8);

		_mm512_storeu_si512(e->words + count,
				    _mm512_maskz_compress_epi64(bitmap[i], words));
		count += (unsigned int)_mm_popcnt_u32(bitmap[i]);
	}
	for (unsigned int i = 0; i < WORD_BLOCK; i += 8)
		_mm512_storeu_si512(e->words + count + i, _mm512_setzero_si512());
	e->count = (count + WORD_GROUP - 1) / WORD_GROUP * WORD_GROUP;
	return WORD_SPARSE;
}

target_avx512 static void emit_payload(const struct encoder *e, uint8_t *p)
{
	for (unsigned int i = 0; i < e->count; i += 8) {
		uint64_t mask;

		memcpy(&mask, e->masks + i, 8);
		_mm512_storeu_si512(
			p, _mm512_maskz_compress_epi8(mask, _mm512_load_si512(e->words + i)));
		p += _mm_popcnt_u64(mask);
	}
}

target_avx512 static size_t encode(const void *page, uint8_t *out, size_t most)
{
	struct encoder e;
	uint8_t bitmap[WORD_BITMAP], *p = out + 1;
	enum word_mode mode = take_words(&e, page, bitmap);
	unsigned int saved = 0;
	size_t length;

	e.far = e.payload = 0;
	for (unsigned int i = 0; i < WORD_TABLE; i += 64) {
		_mm512_store_si512(e.all + i, _mm512_setzero_si512());
		_mm512_store_si512(e.high + i, _mm512_setzero_si512());
	}
	for (unsigned int at = 0; at < e.count; at += WORD_BLOCK)
		saved += plan_block(&e, at, at < 2 * WORD_BLOCK || saved >= WORD_FAR_PAYS);
	length = 1 + (mode == WORD_SPARSE ? WORD_BITMAP : 0) + e.count / 2 + e.payload;
	if (length > most)
		return 0;
	out[0] = (uint8_t)mode;
	if (mode == WORD_SPARSE) {
		memcpy(p, bitmap, WORD_BITMAP);
		p += WORD_BITMAP;
	}
	memcpy(p, e.tags, e.count / 2);
	p += e.count / 2;
	memcpy(p, e.distances, e.far);
	emit_payload(&e, p + e.far);
	return length;
}

/* What the decoder keeps of far words, in order. */
struct far_words {
	uint16_t place[WORDS + 32];
	uint8_t tag[WORDS + 64];
	unsigned int count;
};

struct decoder {
	_Alignas(64) uint64_t words[WORDS + 8];
	_Alignas(64) uint8_t masks[WORDS];
	struct far_words far;
};

/* Reads tags: masks of payload bytes, and the far words. Returns the payload's length. */
target_avx512 static inline unsigned int read_tags(struct decoder *d, const uint8_t *tags,
						   unsigned int count)
{
	unsigned int payload = 0;

	d->far.count = 0;
	for (unsigned int at = 0; at < count; at += WORD_BLOCK) {
		unsigned int words = count - at < WORD_BLOCK ? count - at : WORD_BLOCK;
		__mmask32 there = (__mmask32)_bzhi_u64(~0ull, words / 2);
		__m512i wide = _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(there, tags + at / 2));
		__m512i tag = _mm512_and_si512(_mm512_or_si512(wide, _mm512_slli_epi16(wide, 4)),
					       _mm512_set1_epi8(15));
		__mmask64 is_far = _mm512_test_epi8_mask(tag, _mm512_set1_epi8(8));
		__m512i mask = _mm512_shuffle_epi8(table16(tag_bytes), tag);
		__m512i place = _mm512_add_epi16(
			_mm512_set1_epi16((short)at),
			_mm512_set_epi16(31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17,
					 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
		uint16_t *far = d->far.place + d->far.count;

		_mm512_store_si512(d->masks + at, mask);
		payload += (unsigned int)_mm512_reduce_add_epi64(_mm512_popcnt_epi64(mask));
		_mm512_storeu_si512(d->far.tag + d->far.count,
				    _mm512_maskz_compress_epi8(is_far, tag));
		_mm512_storeu_si512(far, _mm512_maskz_compress_epi16((__mmask32)is_far, place));
		far += _mm_popcnt_u32((uint32_t)is_far);
		place = _mm512_add_epi16(place, _mm512_set1_epi16(32));
		_mm512_storeu_si512(far,
				    _mm512_maskz_compress_epi16((__mmask32)(is_far >> 32), place));
		d->far.count += (unsigned int)_mm_popcnt_u64(is_far);
	}
	return payload;
}

/* Expands the payload: all words, far ones without what they keep of earlier words. */
target_avx512 static inline void read_payload(const struct decoder *d, unsigned int count,
					      const uint8_t *p, const uint8_t *end, uint8_t *out)
{
	for (unsigned int i = 0; i < count; i += 8) {
		size_t left = (size_t)(end - p);
		__mmask64 there = left < 64 ? _bzhi_u64(~0ull, (unsigned int)left) : ~0ull;
		uint64_t mask;

		memcpy(&mask, d->masks + i, 8);
		_mm512_storeu_si512(
			out + (size_t)i * 8,
			_mm512_maskz_expand_epi8(mask, _mm512_maskz_loadu_epi8(there, p)));
		p += _mm_popcnt_u64(mask);
	}
}

/* Fills in far words from the first to the last. False if one leads before the first word. */
target_avx512 static inline bool resolve_far(const struct far_words *far, const uint8_t *distances,
					     uint8_t *out)
{
	static const uint64_t keep[16] = {WORD_TAG_KEEPS};
	int lowest = 0;

	for (unsigned int i = 0; i < far->count; i++) {
		int from = far->place[i] - 1 - distances[i];
		uint64_t earlier, word;

		lowest |= from;
		memcpy(&earlier, out + ((unsigned int)from % WORDS) * 8, 8);
		memcpy(&word, out + far->place[i] * 8u, 8);
		word |= earlier & keep[far->tag[i]];
		memcpy(out + far->place[i] * 8u, &word, 8);
	}
	return lowest >= 0;
}

target_avx512 static inline void spread_words(const struct decoder *d, const uint8_t *bitmap,
					      uint8_t *page)
{
	const uint64_t *words = d->words;

	for (unsigned int i = 0; i < WORD_BITMAP; i++) {
		_mm512_storeu_si512(
			page + (size_t)i * 64,
			_mm512_maskz_expand_epi64(bitmap[i], _mm512_loadu_si512(words)));
		words += _mm_popcnt_u32(bitmap[i]);
	}
}

target_avx512 static int decode(const uint8_t *in, size_t length, void *page)
{
	const uint8_t *end = in + length, *distances;
	struct decoder d;
	struct word_head head;
	uint8_t *out = page;

	if (!word_read_head(&head, in, length))
		return -EILSEQ;
	if (head.bitmap)
		out = (uint8_t *)d.words;
	distances = head.tags + head.count / 2;
	if (read_tags(&d, head.tags, head.count) + d.far.count != (size_t)(end - distances))
		return -EILSEQ;
	read_payload(&d, head.count, distances + d.far.count, end, out);
	if (!resolve_far(&d.far, distances, out))
		return -EILSEQ;
	if (head.bitmap)
		spread_words(&d, head.bitmap, page);
	return 0;
}

const struct word_codec word_avx512 = {encode, decode};

#endif
