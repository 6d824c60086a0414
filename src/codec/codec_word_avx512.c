/* SPDX-License-Identifier: MIT */
/*
 * The word codec with AVX-512. The format was made for it: the payload of eight
 * words is one byte compress (or expand) under a mask of 64 bits that comes
 * from the eight tags by one table lookup. What stays scalar is the walk through
 * the encoder's tables, where each step may depend on the one before, and
 * the decoder's far words.
 */
#include "codec/codec_word.h"

#if defined(__x86_64__)
#include <errno.h>
#include <immintrin.h>
#include <string.h>

#define target_avx512                                                                      \
	__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2," \
			      "avx512vpopcntdq,bmi,bmi2,lzcnt,popcnt")))

static const uint8_t tag_bytes[16] = {WORD_TAG_BYTES};

/* The words that take two bytes or more: only they are worth a search for an earlier word. */
struct wide_words {
	_Alignas(64) uint64_t words[WORDS + WORD_BLOCK];
	_Alignas(64) uint16_t places[WORDS + WORD_BLOCK];
	_Alignas(64) uint8_t near[WORDS + WORD_BLOCK]; /* costs */
	_Alignas(64) uint8_t far[WORDS + WORD_BLOCK];
	_Alignas(64) uint8_t distances[WORDS + WORD_BLOCK];
	uint64_t there[WORDS / WORD_BLOCK]; /* which words of each block they are */
	unsigned int count;
};

struct encoder {
	_Alignas(64) uint64_t words[WORDS + WORD_BLOCK];
	_Alignas(64) uint8_t all[WORD_TABLE], high[WORD_TABLE]; /* word's place by its hash */
	_Alignas(64) uint8_t near[WORDS];			/* costs */
	_Alignas(64) uint8_t masks[WORDS];			/* payload bytes of each word */
	uint8_t tags[WORDS / 2];
	uint8_t distances[WORDS + WORD_BLOCK];
	struct wide_words wide;
	unsigned int count, far, payload;
};

target_avx512 static inline __m512i table16(const uint8_t *table)
{
	return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)table));
}

target_avx512 static inline __m512i iota16(void)
{
	return _mm512_set_epi16(31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15,
				14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}

target_avx512 static inline __m128i hash8(__m512i words)
{
	__m512i folded = _mm512_xor_si512(words, _mm512_srli_epi64(words, 32));
	__m512i product = _mm512_mul_epu32(folded, _mm512_set1_epi64(WORD_MULTIPLIER));

	return _mm512_cvtepi64_epi8(_mm512_srli_epi64(product, 32));
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

/*
 * Which bytes of 64 words are not zero, a byte of bits for each word. Eight words
 * give one vector, whose sums of absolute differences are these bytes, one in
 * each 64-bit lane. They are collected with the vectors at right angles, then
 * turned. (A way through mask registers and memory takes twice the time.)
 */
struct byte_bits {
	__m512i turned;
};

target_avx512 static inline void collect_bits(struct byte_bits *bits, unsigned int i, __m512i words)
{
	const __m512i places = _mm512_set1_epi64((long long)0x8040201008040201ull);
	__m512i there = _mm512_maskz_mov_epi8(_mm512_test_epi8_mask(words, words), places);
	__m512i sums = _mm512_sad_epu8(there, _mm512_setzero_si512());

	sums = _mm512_slli_epi64(sums, i * 8);
	bits->turned = i ? _mm512_or_si512(bits->turned, sums) : sums;
}

target_avx512 static inline __m512i turn_bits(const struct byte_bits *bits)
{
	const __m512i lane = _mm512_set_epi64(
		0x3f372f271f170f07, 0x3e362e261e160e06, 0x3d352d251d150d05, 0x3c342c241c140c04,
		0x3b332b231b130b03, 0x3a322a221a120a02, 0x3931292119110901, 0x3830282018100800);

	return _mm512_permutexvar_epi8(lane, bits->turned);
}

static const uint8_t near_high[16] = {WORD_NEAR_HIGH}, near_low[16] = {WORD_NEAR_LOW};
static const uint8_t far_high[16] = {WORD_FAR_HIGH}, far_low[16] = {WORD_FAR_LOW};

/* Sum of the bytes that the costs stand for. */
target_avx512 static inline unsigned int sum_costs(__m512i costs)
{
	__m512i bytes = _mm512_and_si512(_mm512_srli_epi16(costs, 4), _mm512_set1_epi8(15));

	return (unsigned int)_mm512_reduce_add_epi64(
		_mm512_sad_epu8(bytes, _mm512_setzero_si512()));
}

/* Costs of the words by themselves; lists the wide ones. */
target_avx512 static inline void cost_near(struct encoder *e)
{
	struct wide_words *wide = &e->wide;
	unsigned int count = 0;

	for (unsigned int at = 0; at < e->count; at += WORD_BLOCK) {
		struct byte_bits bits;
		__m512i costs64, places = _mm512_add_epi16(_mm512_set1_epi16((short)at), iota16());
		unsigned int end = count;
		__mmask64 there;

#pragma GCC unroll 8
		for (unsigned int i = 0; i < 8; i++) {
			__m512i words = _mm512_load_si512(e->words + at + i * 8);

			collect_bits(&bits, i, words);
		}
		costs64 = costs(turn_bits(&bits), near_high, near_low, WORD_NEAR_ONLY_HIGH);
		there = _mm512_cmpge_epu8_mask(costs64, _mm512_set1_epi8(WORD_COST(2, 0)));
		wide->there[at / WORD_BLOCK] = there;
		_mm512_store_si512(e->near + at, costs64);
		_mm512_storeu_si512(wide->near + count, _mm512_maskz_compress_epi8(there, costs64));
#pragma GCC unroll 8
		for (unsigned int i = 0; i < 8; i++) {
			__m512i words = _mm512_load_si512(e->words + at + i * 8);
			__mmask8 eight = (__mmask8)(there >> i * 8);

			_mm512_storeu_si512(wide->words + end,
					    _mm512_maskz_compress_epi64(eight, words));
			end += (unsigned int)_mm_popcnt_u32(eight);
		}
		_mm512_storeu_si512(wide->places + count,
				    _mm512_maskz_compress_epi16((__mmask32)there, places));
		count += (unsigned int)_mm_popcnt_u32((uint32_t)there);
		places = _mm512_add_epi16(places, _mm512_set1_epi16(32));
		_mm512_storeu_si512(wide->places + count,
				    _mm512_maskz_compress_epi16((__mmask32)(there >> 32), places));
		count = end;
	}
	wide->count = count;
	/* The search goes by whole blocks: nothing follows. */
	_mm512_storeu_si512(wide->near + count, _mm512_setzero_si512());
	_mm512_storeu_si512(wide->places + count, _mm512_setzero_si512());
	_mm512_storeu_si512(wide->places + count + 32, _mm512_setzero_si512());
	for (unsigned int i = 0; i < WORD_BLOCK; i += 8)
		_mm512_storeu_si512(wide->words + count + i, _mm512_setzero_si512());
}

/* What a table says for each word of a block: places, and which bytes differ there. */
struct found {
	_Alignas(64) uint8_t places[WORD_BLOCK];
	struct byte_bits bits;
};

/* Looks eight words up in a table and puts them in. Returns the places that stood there. */
target_avx512 static inline uint64_t look_up(uint8_t *table, __m512i words, const uint16_t *places)
{
	uint64_t hashes = (uint64_t)_mm_cvtsi128_si64(hash8(words)), found = 0;

#pragma GCC unroll 8
	for (unsigned int i = 0; i < 8; i++) {
		uint8_t *entry = &table[(uint8_t)(hashes >> i * 8)];

		found |= (uint64_t)*entry << i * 8;
		*entry = (uint8_t)places[i];
	}
	return found;
}

/* The words of the page at the last such places before `before` + 1. */
target_avx512 static inline __m512i earlier_words(const struct encoder *e, __m512i before,
						  uint64_t places)
{
	__m512i place = _mm512_cvtepu8_epi64(_mm_cvtsi64_si128((long long)places));
	__m512i back = _mm512_and_si512(_mm512_sub_epi64(before, place), _mm512_set1_epi64(255));
	__m512i from = _mm512_max_epi64(_mm512_sub_epi64(before, back), _mm512_setzero_si512());

	return _mm512_i64gather_epi64(from, e->words, 8);
}

/* Looks up and compares a block of wide words. Lookups (stores) and comparisons (loads) of
 * eight words alternate, so that the processor does them side by side. */
target_avx512 static inline void look_up_block(struct encoder *e, unsigned int at,
					       struct found *all, struct found *high)
{
#pragma GCC unroll 8
	for (unsigned int i = 0; i < WORD_BLOCK; i += 8) {
		const uint16_t *places = e->wide.places + at + i;
		__m512i words = _mm512_load_si512(e->wide.words + at + i);
		__m512i before = _mm512_sub_epi64(
			_mm512_cvtepu16_epi64(_mm_load_si128((const __m128i *)places)),
			_mm512_set1_epi64(1));
		uint64_t in_all = look_up(e->all, words, places);
		uint64_t in_high = look_up(e->high, _mm512_srli_epi64(words, 16), places);

		memcpy(all->places + i, &in_all, 8);
		memcpy(high->places + i, &in_high, 8);
		collect_bits(&all->bits, i / 8,
			     _mm512_xor_si512(words, earlier_words(e, before, in_all)));
		collect_bits(&high->bits, i / 8,
			     _mm512_xor_si512(words, earlier_words(e, before, in_high)));
	}
}

target_avx512 static inline __m512i far_costs(const struct found *found)
{
	return costs(turn_bits(&found->bits), far_high, far_low, WORD_FAR_ONLY_HIGH);
}

/* The low bytes of the places of a block of wide words. */
target_avx512 static inline __m512i low_places(const uint16_t *places)
{
	__m256i low = _mm512_cvtepi16_epi8(_mm512_load_si512(places));
	__m256i high = _mm512_cvtepi16_epi8(_mm512_load_si512(places + 32));

	return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

/* Costs of a block of wide words by way of earlier ones. Returns the bytes that it saves. */
target_avx512 static inline unsigned int search_block(struct encoder *e, unsigned int at)
{
	struct wide_words *wide = &e->wide;
	__m512i near = _mm512_load_si512(wide->near + at), best;
	struct found all, high;
	__m512i all_costs, high_costs, places;
	__mmask64 better;

	look_up_block(e, at, &all, &high);
	all_costs = far_costs(&all);
	high_costs = far_costs(&high);
	better = _mm512_cmplt_epu8_mask(high_costs, all_costs);
	best = _mm512_min_epu8(high_costs, all_costs);
	/* The first has none before it. */
	best = at ? best : _mm512_mask_set1_epi8(best, 1, (char)WORD_NEVER);
	places = _mm512_mask_mov_epi8(_mm512_load_si512(all.places), better,
				      _mm512_load_si512(high.places));
	places = _mm512_sub_epi8(low_places(e->wide.places + at), places);
	_mm512_store_si512(wide->far + at, best);
	_mm512_store_si512(wide->distances + at, _mm512_sub_epi8(places, _mm512_set1_epi8(1)));
	return sum_costs(near) - sum_costs(_mm512_min_epu8(near, best));
}

target_avx512 static inline void search(struct encoder *e)
{
	unsigned int saved = 0, at = 0;

	for (; at < e->wide.count; at += WORD_BLOCK) {
		if (saved < at / WORD_FAR_PAYS)
			break;
		saved += search_block(e, at);
	}
	if (at < e->wide.count)
		memset(e->wide.far + at, WORD_NEVER, e->wide.count - at);
}

/* Takes for each word the cheaper way: its tag, its mask, its distance. */
target_avx512 static inline void choose(struct encoder *e)
{
	unsigned int wide = 0;

	for (unsigned int at = 0; at < e->count; at += WORD_BLOCK) {
		__mmask64 there = e->wide.there[at / WORD_BLOCK], is_far;
		__m512i far = _mm512_mask_expand_epi8(_mm512_set1_epi8((char)WORD_NEVER), there,
						      _mm512_loadu_si512(e->wide.far + wide));
		__m512i distances = _mm512_maskz_expand_epi8(
			there, _mm512_loadu_si512(e->wide.distances + wide));
		__m512i best = _mm512_min_epu8(_mm512_load_si512(e->near + at), far);
		__m512i tags = _mm512_and_si512(best, _mm512_set1_epi8(15));

		wide += (unsigned int)_mm_popcnt_u64(there);
		is_far = _mm512_test_epi8_mask(best, _mm512_set1_epi8(8));
		_mm512_store_si512(e->masks + at, _mm512_shuffle_epi8(table16(tag_bytes), tags));
		_mm512_storeu_si512(e->distances + e->far,
				    _mm512_maskz_compress_epi8(is_far, distances));
		_mm256_storeu_si256((__m256i *)(e->tags + at / 2),
				    _mm512_cvtepi16_epi8(_mm512_maddubs_epi16(
					    tags, _mm512_set1_epi16(1 | 16 << 8))));
		e->far += (unsigned int)_mm_popcnt_u64(is_far);
		e->payload += sum_costs(best);
	}
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
	uint8_t bitmap[WORD_BITMAP], *p;
	enum word_mode mode = take_words(&e, page, bitmap);
	size_t length;

	e.far = e.payload = 0;
	for (unsigned int i = 0; i < WORD_TABLE; i += 64) {
		_mm512_store_si512(e.all + i, _mm512_setzero_si512());
		_mm512_store_si512(e.high + i, _mm512_setzero_si512());
	}
	cost_near(&e);
	search(&e);
	choose(&e);
	length = 1 + (mode == WORD_SPARSE ? WORD_BITMAP : 0) + e.count / 2 + e.payload;
	if (length > most)
		return 0;
	p = word_write_head(out, mode, bitmap);
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
		__m512i place = _mm512_add_epi16(_mm512_set1_epi16((short)at), iota16());
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
