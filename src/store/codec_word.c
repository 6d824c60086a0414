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
#include <errno.h>
#include <string.h>
#include "store/codec_word.h"

static const uint64_t tag_keep[16] = {WORD_TAG_KEEPS};
/* WORD_TAG_BYTES as length, as a mask of the word's bits, and as where the payload begins. */
static const uint8_t tag_length[16] = {0, 1, 2, 3, 4, 6, 4, 8, 0, 1, 2, 3, 4, 4, 8, 8};
static const uint64_t tag_mask[16] = {
	0,     0xff,  0xffff, 0xffffff, 0xffffffff, 0xffffffffffff, 0xffffffffull << 32,
	~0ull, 0,     0xff,   0xffff,	0xffffff,   0xffffffff,	    0xffffffffull << 32,
	~0ull, ~0ull,
};
static const uint8_t tag_shift[16] = {[6] = 32, [13] = 32};
static const uint8_t near_high[16] = {WORD_NEAR_HIGH}, near_low[16] = {WORD_NEAR_LOW};
static const uint8_t far_high[16] = {WORD_FAR_HIGH}, far_low[16] = {WORD_FAR_LOW};

struct encoder {
	uint64_t words[WORDS + WORD_GROUP];
	uint8_t all[WORD_TABLE], high[WORD_TABLE]; /* a word's place by its hash */
	uint8_t costs[WORDS], distances[WORDS];
	/* The words that take two bytes or more: only they are worth a search. */
	uint16_t wide[WORDS];
	unsigned int count, wide_count;
};

static inline uint64_t load64(const void *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

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

/* One bit for each byte that is not zero. */
static inline unsigned int bytes_of(uint64_t word)
{
	const uint64_t sevens = 0x7f7f7f7f7f7f7f7full;
	uint64_t tops = (((word & sevens) + sevens) | word) & ~sevens;

	return (unsigned int)((tops >> 7) * 0x0102040810204080ull >> 56);
}

static inline unsigned int cost_of(unsigned int bytes, const uint8_t *high, const uint8_t *low,
				   unsigned int only_high)
{
	unsigned int cost = high[bytes >> 4], other = low[bytes & 15];

	cost = other > cost ? other : cost;
	return !(bytes & 15) && only_high < cost ? only_high : cost;
}

/* Costs of the words by themselves; lists the wide ones. */
static void cost_near(struct encoder *e)
{
	e->wide_count = 0;
	for (unsigned int i = 0; i < e->count; i++) {
		unsigned int cost =
			cost_of(bytes_of(e->words[i]), near_high, near_low, WORD_NEAR_ONLY_HIGH);

		e->costs[i] = (uint8_t)cost;
		e->wide[e->wide_count] = (uint16_t)i;
		e->wide_count += cost >= WORD_COST(2, 0);
	}
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
static inline unsigned int far_cost(const struct encoder *e, unsigned int i, uint8_t place,
				    uint8_t *distance)
{
	*distance = (uint8_t)(i - 1 - place);
	return cost_of(bytes_of(e->words[i] ^ e->words[i - 1 - *distance]), far_high, far_low,
		       WORD_FAR_ONLY_HIGH);
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

		all = far_cost(e, place, c.all[i - at], &e->distances[place]);
		high = far_cost(e, place, c.high[i - at], &distance_high);
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
	unsigned int count = 0;

	memset(bitmap, 0, WORD_BITMAP);
	for (unsigned int i = 0; i < WORDS; i++) {
		uint64_t word = load64(page + (size_t)i * 8);

		e->words[count] = word;
		bitmap[i / 8] |= (uint8_t)((word != 0) << i % 8);
		count += word != 0;
	}
	if (count > WORDS - WORD_SPARSE_FROM) {
		memcpy(e->words, page, WORDS * 8);
		e->count = WORDS;
		return WORD_DENSE;
	}
	memset(e->words + count, 0, WORD_GROUP * 8);
	e->count = (count + WORD_GROUP - 1) / WORD_GROUP * WORD_GROUP;
	return WORD_SPARSE;
}

/* Writes tags, distances and payload; all of it is known to fit. */
static void emit(const struct encoder *e, unsigned int far, uint8_t *tags)
{
	uint8_t *distance = tags + e->count / 2, *p = distance + far;

	for (unsigned int i = 0; i < e->count; i++) {
		unsigned int tag = e->costs[i] & 15;

		tags[i / 2] = (uint8_t)(i % 2 ? tags[i / 2] | tag << 4 : tag);
		if (tag & 8)
			*distance++ = e->distances[i];
	}
	for (unsigned int i = 0; i < e->count; i++) {
		store64(p, little(e->words[i] >> tag_shift[e->costs[i] & 15]));
		p += tag_length[e->costs[i] & 15];
	}
}

static size_t encode(const void *page, uint8_t *out, size_t most)
{
	struct encoder e = {.all = {0}};
	uint8_t bitmap[WORD_BITMAP], *p = out + 1;
	enum word_mode mode = take_words(&e, page, bitmap);
	unsigned int far = 0;
	size_t length = 1 + (mode == WORD_SPARSE ? WORD_BITMAP : 0) + e.count / 2;

	cost_near(&e);
	search(&e);
	for (unsigned int i = 0; i < e.count; i++) {
		length += e.costs[i] >> 4;
		far += e.costs[i] >> 3 & 1;
	}
	if (length > most)
		return 0;
	out[0] = (uint8_t)mode;
	if (mode == WORD_SPARSE) {
		memcpy(p, bitmap, WORD_BITMAP);
		p += WORD_BITMAP;
	}
	emit(&e, far, p);
	return length;
}

bool word_read_head(struct word_head *head, const uint8_t *in, size_t length)
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

/* Number of far words, and in *bytes those of the payload. */
static unsigned int measure_tags(const struct word_head *head, unsigned int *bytes)
{
	unsigned int far = 0;

	*bytes = 0;
	for (unsigned int i = 0; i < head->count / 2; i++) {
		unsigned int low = head->tags[i] & 15, high = head->tags[i] >> 4;

		*bytes += tag_length[low] + tag_length[high];
		far += (low >> 3) + (high >> 3);
	}
	return far;
}

/*
 * Decodes all words, whose distances and payload were measured to be there. The
 * payload is in a copy that can be read a little past its end. False if a far
 * word leads before the first.
 */
static bool decode_words(const struct word_head *head, const uint8_t *distances, const uint8_t *p,
			 uint8_t *out)
{
	int lowest = 0;

	for (unsigned int i = 0; i < head->count; i++) {
		unsigned int tag = head->tags[i / 2] >> i % 2 * 4 & 15;
		int from = (int)i - 1 - *distances, far = (int)tag >> 3;
		uint64_t earlier = load64(out + ((unsigned int)from % WORDS) * 8);
		uint64_t word = little(load64(p)) << tag_shift[tag];

		store64(out + (size_t)i * 8, (word & tag_mask[tag]) | (earlier & tag_keep[tag]));
		lowest |= from & -far;
		distances += far;
		p += tag_length[tag];
	}
	return lowest >= 0;
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
	uint8_t distances[WORDS + 1] = {0}, payload[WORDS * 8 + 8];
	uint64_t words[WORDS];
	struct word_head head;
	unsigned int far, bytes;
	const uint8_t *p;
	uint8_t *out = page;

	if (!word_read_head(&head, in, length))
		return -EILSEQ;
	far = measure_tags(&head, &bytes);
	p = head.tags + head.count / 2;
	if (far + bytes != length - (size_t)(p - in))
		return -EILSEQ;
	memcpy(distances, p, far);
	memcpy(payload, p + far, bytes);
	memset(payload + bytes, 0, 8);
	/* Corrupt input may name words that are not there yet. */
	if (head.bitmap)
		out = (uint8_t *)words;
	memset(out, 0, WORDS * 8);
	if (!decode_words(&head, distances, payload, out))
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
