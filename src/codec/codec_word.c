/* SPDX-License-Identifier: MIT */
/*
 * The word codec in plain C, and the choice of implementation.
 *
 * Why so: a page of a heap is pointers that share their high bytes with a
 * recent pointer, small integers, zeros, and words seen a moment ago. The
 * encoder looks each word up in two small tables: by all of it, and by all but
 * its low 16 bits. A table holds only places, modulo 256: a stale place is just
 * another earlier word, and the comparison of the words themselves decides.
 *
 * Speed comes from loops without branches on data (a misread branch costs as
 * much as several words), and from loops that do one thing: if the lookups stood
 * in one loop with the payload, whose address hangs on the tag before, the
 * processor would hold each lookup back until the address is known.
 *
 * Weakness: matches stand on multiples of eight bytes, so text does badly; that
 * is lz4's work.
 */
#include "codec/codec_word.h"

#include <errno.h>
#include <string.h>

/* A tag as the decoder wants it. */
struct shape {
	uint64_t mask, keep; /* bits from the payload, and from the earlier word */
	uint8_t length;	     /* of payload */
	uint8_t shift;	     /* where in the word it begins */
	uint8_t far;
};

#define LOW(bytes) ((1ull << (bytes)*8) - 1)
#define NEAR(bytes)                        \
	{                                  \
		LOW(bytes), 0, bytes, 0, 0 \
	}
#define FAR(bytes)                                   \
	{                                            \
		LOW(bytes), ~LOW(bytes), bytes, 0, 1 \
	}

static const struct shape shapes[16] = {
	NEAR(0),
	NEAR(1),
	NEAR(2),
	NEAR(3),
	NEAR(4),
	NEAR(6),
	{~LOW(4), 0, 4, 32, 0},
	{~0ull, 0, 8, 0, 0},
	FAR(0),
	FAR(1),
	FAR(2),
	FAR(3),
	FAR(4),
	{~LOW(4), LOW(4), 4, 32, 1},
	{~0ull, 0, 8, 0, 1},
	{~0ull, 0, 8, 0, 1},
};

/* The tables of the header, by number of significant bytes. */
static const uint8_t near_cost[9] = {
	WORD_COST(0, 0), WORD_COST(1, 1), WORD_COST(2, 2), WORD_COST(3, 3), WORD_COST(4, 4),
	WORD_COST(6, 5), WORD_COST(6, 5), WORD_COST(8, 7), WORD_COST(8, 7),
};
static const uint8_t far_cost[9] = {
	WORD_COST(1, 8), WORD_COST(2, 9), WORD_COST(3, 10), WORD_COST(4, 11), WORD_COST(5, 12),
	WORD_NEVER,	 WORD_NEVER,	  WORD_NEVER,	    WORD_NEVER,
};

struct encoder {
	uint64_t words[WORDS + WORD_GROUP];
	uint8_t all[WORD_TABLE], high[WORD_TABLE]; /* a word's place by its hash */
	uint8_t costs[WORDS], distances[WORDS];
	/* The words that take two bytes or more: only they are worth a search. */
	uint16_t wide[WORDS];
	unsigned int count, wide_count;
};

static inline void store64(void *p, uint64_t word)
{
	memcpy(p, &word, sizeof(word));
}

/* Payload bytes are the low ones first on any machine. */
static inline uint64_t little(uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return __builtin_bswap64(word);
#else
	return word;
#endif
}

static inline unsigned int hash(uint64_t word)
{
	return (uint64_t)(uint32_t)(word ^ word >> 32) * WORD_MULTIPLIER >> 32 & (WORD_TABLE - 1);
}

/* The cost of a word by its highest byte that is not zero, or by having no low half. */
static inline unsigned int cost_of(uint64_t word, const uint8_t *by_bytes, unsigned int only_high)
{
	unsigned int bytes = word ? (71 - (unsigned int)__builtin_clzll(word)) / 8 : 0;
	unsigned int cost = by_bytes[bytes];

	only_high = (uint32_t)word ? WORD_NEVER : only_high;
	return only_high < cost ? only_high : cost;
}

/* Costs of the words by themselves; lists the wide ones. */
static void cost_near(struct encoder *e)
{
	unsigned int wide = 0; /* not in *e: through memory each step would wait for the last */

	for (unsigned int i = 0; i < e->count; i++) {
		unsigned int cost = cost_of(e->words[i], near_cost, WORD_NEAR_ONLY_HIGH);

		e->costs[i] = (uint8_t)cost;
		e->wide[wide] = (uint16_t)i;
		wide += cost >= WORD_COST(2, 0);
	}
	e->wide_count = wide;
}

/* Where the two tables point for each word of a block. */
struct candidates {
	uint8_t all[WORD_BLOCK], high[WORD_BLOCK];
};

static void look_up(struct encoder *e, unsigned int at, unsigned int end, struct candidates *c)
{
	for (unsigned int i = at; i < end; i++) {
		uint64_t word = e->words[e->wide[i]];
		uint8_t *all = &e->all[hash(word)], *high = &e->high[hash(word >> 16)];

		c->all[i - at] = *all;
		c->high[i - at] = *high;
		*all = *high = (uint8_t)e->wide[i];
	}
}

/* The cost of word i by way of the word at `place`, and its distance - 1. */
static inline unsigned int cost_from(const struct encoder *e, unsigned int i, uint8_t place,
				     uint8_t *distance)
{
	*distance = (uint8_t)(i - 1 - place);
	return cost_of(e->words[i] ^ e->words[i - 1 - *distance], far_cost, WORD_FAR_ONLY_HIGH);
}

/* Looks for earlier words for a block of the wide ones. Returns the bytes saved. */
static unsigned int search_block(struct encoder *e, unsigned int at)
{
	unsigned int end = at + WORD_BLOCK < e->wide_count ? at + WORD_BLOCK : e->wide_count;
	unsigned int saved = 0;
	struct candidates c;

	look_up(e, at, end, &c);
	for (unsigned int i = at ? at : 1; i < end; i++) { /* the first has none before it */
		unsigned int place = e->wide[i], near = e->costs[place], all, high;
		uint8_t distance_high;

		all = cost_from(e, place, c.all[i - at], &e->distances[place]);
		high = cost_from(e, place, c.high[i - at], &distance_high);
		e->distances[place] = high < all ? distance_high : e->distances[place];
		all = high < all ? high : all;
		all = all < near ? all : near;
		e->costs[place] = (uint8_t)all;
		saved += (near >> 4) - (all >> 4);
	}
	return saved;
}

static void search(struct encoder *e)
{
	unsigned int saved = 0;

	for (unsigned int at = 0; at < e->wide_count; at += WORD_BLOCK) {
		if (saved < at / WORD_FAR_PAYS)
			break;
		saved += search_block(e, at);
	}
}

/* Takes the words over, without those that are zero if they are many. */
static enum word_mode take_words(struct encoder *e, const uint8_t *page, uint8_t *bitmap)
{
	unsigned int zeros = 0, count = 0;

	memcpy(e->words, page, WORDS * 8);
	for (unsigned int i = 0; i < WORDS; i++)
		zeros += e->words[i] == 0;
	e->count = WORDS;
	if (zeros < WORD_SPARSE_FROM)
		return WORD_DENSE;
	for (unsigned int i = 0; i < WORDS; i += 8) {
		unsigned int bits = 0;

		for (unsigned int j = 0; j < 8; j++) {
			uint64_t word = e->words[i + j];

			e->words[count] = word;
			bits |= (unsigned int)(word != 0) << j;
			count += word != 0;
		}
		bitmap[i / 8] = (uint8_t)bits;
	}
	memset(e->words + count, 0, WORD_GROUP * 8);
	e->count = (count + WORD_GROUP - 1) / WORD_GROUP * WORD_GROUP;
	return WORD_SPARSE;
}

/* Writes tags, distances and payload; all of it is known to fit. */
static void emit(const struct encoder *e, unsigned int far, uint8_t *tags)
{
	uint8_t *distance = tags + e->count / 2, *p = distance + far;

	for (unsigned int i = 0; i < e->count; i += 2)
		tags[i / 2] = (uint8_t)((e->costs[i] & 15) | e->costs[i + 1] << 4);
	for (unsigned int i = 0; i < e->count; i++) {
		*distance = e->distances[i]; /* kept if the word is far */
		distance += e->costs[i] >> 3 & 1;
	}
	for (unsigned int i = 0; i < e->count; i++) {
		store64(p, little(e->words[i] >> shapes[e->costs[i] & 15].shift));
		p += shapes[e->costs[i] & 15].length;
	}
}

static size_t encode(const void *page, uint8_t *out, size_t most)
{
	struct encoder e;
	uint8_t bitmap[WORD_BITMAP], *p;
	enum word_mode mode = take_words(&e, page, bitmap);
	unsigned int far = 0;
	size_t length = 1 + (mode == WORD_SPARSE ? WORD_BITMAP : 0) + e.count / 2;

	memset(e.all, 0, sizeof(e.all));
	memset(e.high, 0, sizeof(e.high));
	memset(e.distances, 0, sizeof(e.distances));
	cost_near(&e);
	search(&e);
	for (unsigned int i = 0; i < e.count; i++) {
		length += e.costs[i] >> 4;
		far += e.costs[i] >> 3 & 1;
	}
	if (length > most)
		return 0;
	p = word_write_head(out, mode, bitmap);
	emit(&e, far, p);
	return length;
}

/* Number of far words: of nibbles with the high bit. */
static unsigned int count_far(const struct word_head *head)
{
	const uint64_t ones = 0x0101010101010101ull;
	uint64_t far = 0;

	for (unsigned int i = 0; i < head->count / 2; i += 8) {
		uint64_t tags = load64(head->tags + i);

		far += (tags >> 3 & ones) + (tags >> 7 & ones); /* at most 64 in each byte */
	}
	return (unsigned int)((far & 0x00ff00ff00ff00ffull) * 0x0001000100010001ull >> 48) +
	       (unsigned int)((far >> 8 & 0x00ff00ff00ff00ffull) * 0x0001000100010001ull >> 48);
}

/*
 * Decodes all words. Distances and payload are in copies that can be read past
 * their end: what a group of words may take. False if the payload does not end
 * at `end`, or a far word leads before the first.
 */
static bool decode_words(const struct word_head *head, const uint8_t *distances, const uint8_t *p,
			 const uint8_t *end, uint8_t *out)
{
	int lowest = 0;

	for (unsigned int i = 0; i < head->count && p <= end; i += WORD_GROUP) {
		uint64_t tags = little(load64(head->tags + i / 2));

		for (unsigned int j = i; j < i + WORD_GROUP; j++, tags >>= 4) {
			const struct shape *shape = &shapes[tags & 15];
			int from = (int)j - 1 - *distances;
			uint64_t earlier = load64(out + ((unsigned int)from % WORDS) * 8);
			uint64_t word = little(load64(p)) << shape->shift;

			word = (word & shape->mask) | (earlier & shape->keep);
			store64(out + (size_t)j * 8, word);
			lowest |= from & -(int)shape->far;
			distances += shape->far;
			p += shape->length;
		}
	}
	return lowest >= 0 && p == end;
}

/* Puts words where the bitmap has ones. */
static void spread_words(const uint64_t *words, const uint8_t *bitmap, uint8_t *page)
{
	memset(page, 0, WORDS * 8);
	for (unsigned int i = 0; i < WORDS; i++) {
		if (bitmap[i / 8] >> i % 8 & 1)
			store64(page + (size_t)i * 8, *words++);
	}
}

static int decode(const uint8_t *in, size_t length, void *page)
{
	uint8_t distances[WORDS + 1], payload[WORDS * 8 + WORD_GROUP * 8];
	uint64_t words[WORDS];
	struct word_head head;
	size_t far, bytes;
	const uint8_t *p;
	uint8_t *out = page;

	if (!word_read_head(&head, in, length))
		return -EILSEQ;
	far = count_far(&head);
	p = head.tags + head.count / 2;
	bytes = length - (size_t)(p - in);
	if (bytes < far || bytes - far > WORDS * 8)
		return -EILSEQ;
	bytes -= far;
	memcpy(distances, p, far);
	distances[far] = 0;
	memcpy(payload, p + far, bytes);
	memset(payload + bytes, 0, WORD_GROUP * 8);
	/* Corrupt input may name words that are not there yet. */
	if (head.bitmap)
		out = (uint8_t *)words;
	memset(out, 0, WORDS * 8);
	if (!decode_words(&head, distances, payload, payload + bytes, out))
		return -EILSEQ;
	if (head.bitmap)
		spread_words(words, head.bitmap, page);
	return 0;
}

const struct word_codec word_portable = {encode, decode};

const struct word_codec *word_best(void)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
	    __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2") &&
	    __builtin_cpu_supports("avx512vpopcntdq") && __builtin_cpu_supports("bmi2"))
		return &word_avx512;
#endif
	return &word_portable;
}
