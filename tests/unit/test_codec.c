/* SPDX-License-Identifier: MIT */
/* Codecs: every kind of page comes back as it was; corrupt input never harms. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "codec/codec.h"
#include "codec/codec_word.h"

#define PAGE  4096u
#define WORDS 512u
#define ROOM  (PAGE + 64u)

static uint64_t seed = 1;

static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Pages that reach every class of word, and every way out of the encoder. */
enum pattern {
	ZERO,
	RANDOM,
	SMALL,
	QUARTER_RANDOM,
	POINTERS,
	REPEATED,
	TEXT,
	SPARSE,
	HALVES,
	ALL_LENGTHS,
	LAST_WORD_ONLY,
	PATTERNS,
};

static uint64_t pattern_word(enum pattern pattern, unsigned int i, const uint64_t *before)
{
	uint64_t r = next_random();

	switch (pattern) {
	case RANDOM:
		return r;
	case SMALL:
		return r & 0xffff;
	case QUARTER_RANDOM:
		return i % 4 ? r & 0xffff : r;
	case POINTERS:
		return 0x7f1234000000ull + ((r & 0x3ffffull) << 4);
	case REPEATED:
		return i && r % 4 ? before[r % i] : r;
	case TEXT:
		return 0x2020202020202020ull | (r & 0x0f0f0f0f0f0f0f0full);
	case SPARSE:
		return r % 64 ? 0 : next_random();
	case HALVES:
		return (r & 0xff) << 32 | (r >> 8 & 0xfff);
	case ALL_LENGTHS:
		return r >> next_random() % 64;
	case LAST_WORD_ONLY:
		return i == WORDS - 1 ? r : 0;
	default:
		return 0;
	}
}

static void fill(uint64_t *page, enum pattern pattern)
{
	for (unsigned int i = 0; i < WORDS; i++)
		page[i] = pattern_word(pattern, i, page);
}

static void pages_come_back(void **state)
{
	struct codec *codec = codec_new();
	uint64_t page[WORDS], back[WORDS];
	uint8_t out[ROOM];

	assert_non_null(codec);
	for (unsigned int round = 0; round < 200 * PATTERNS; round++) {
		enum codec_kind kind;
		size_t length;

		fill(page, round % PATTERNS);
		length = codec_encode_page(codec, page, out, ROOM, &kind);
		assert_in_range(length, 1, PAGE);
		assert_true((length == PAGE) == (kind == CODEC_RAW));
		memset(back, 0xa5, PAGE);
		assert_int_equal(codec_decode(codec, kind, out, length, 1, -1, back), 0);
		assert_memory_equal(page, back, PAGE);
		memset(back, 0xa5, PAGE);
		assert_int_equal(codec_decode(codec, kind, out, length, 1, 0, back), 0);
		assert_memory_equal(page, back, PAGE);
	}
	codec_free(codec);
}

static void check_word_codec(const struct word_codec *word, const uint64_t *page)
{
	uint64_t back[WORDS];
	uint8_t out[2 * PAGE], reference[2 * PAGE];
	size_t length = word->encode(page, out, sizeof(out) - WORD_SLACK);

	assert_int_not_equal(length, 0);
	assert_int_equal(word_portable.encode(page, reference, sizeof(out) - WORD_SLACK), length);
	assert_memory_equal(out, reference, length);
	memset(back, 0xa5, PAGE);
	assert_int_equal(word->decode(out, length, back), 0);
	assert_memory_equal(page, back, PAGE);
	assert_int_equal(word->decode(out, length - 1, back), -EILSEQ);
	assert_int_equal(word->encode(page, out, length), length);
	assert_int_equal(word->encode(page, out, length - 1), 0);
}

static void word_pages_come_back(void **state)
{
	uint64_t page[WORDS];

	for (unsigned int round = 0; round < 200 * PATTERNS; round++) {
		fill(page, round % PATTERNS);
		check_word_codec(&word_portable, page);
		check_word_codec(word_best(), page);
	}
}

static void kinds_suit_the_page(void **state)
{
	struct codec *codec = codec_new();
	uint64_t page[WORDS];
	uint8_t out[ROOM];
	enum codec_kind kind;

	fill(page, RANDOM);
	assert_int_equal(codec_encode_page(codec, page, out, ROOM, &kind), PAGE);
	assert_int_equal(kind, CODEC_RAW);
	fill(page, QUARTER_RANDOM);
	assert_in_range(codec_encode_page(codec, page, out, ROOM, &kind), 1, PAGE / 2);
	assert_int_equal(kind, CODEC_WORD);
	fill((uint64_t *)out, RANDOM);
	for (unsigned int at = 0; at < PAGE - 40; at += 25 + next_random() % 13)
		memcpy((uint8_t *)page + at, out + next_random() % 300, 40);
	assert_in_range(codec_encode_page(codec, page, out, ROOM, &kind), 1, PAGE / 2);
	assert_int_equal(kind, CODEC_LZ4);
	codec_free(codec);
}

static void output_is_deterministic(void **state)
{
	struct codec *used = codec_new();
	uint64_t page[WORDS];
	uint8_t first[ROOM], second[ROOM];
	enum codec_kind kind;

	for (unsigned int round = 0; round < 20 * PATTERNS; round++) {
		struct codec *fresh = codec_new();
		size_t length;

		fill(page, round % PATTERNS);
		length = codec_encode_page(fresh, page, first, ROOM, &kind);
		assert_int_equal(codec_encode_page(used, page, second, ROOM, &kind), length);
		assert_memory_equal(first, second, length);
		codec_free(fresh);
	}
	codec_free(used);
}

static void runs_come_back(void **state)
{
	static uint64_t pages[CODEC_MAX_PAGES * WORDS], back[CODEC_MAX_PAGES * WORDS];
	static uint8_t out[CODEC_MAX_PAGES * PAGE];
	struct codec *codec = codec_new();

	for (unsigned int count = 1; count <= CODEC_MAX_PAGES; count++) {
		size_t length;

		for (unsigned int i = 0; i < count; i++)
			fill(pages + (size_t)i * WORDS, (enum pattern)(2 + i % 8));
		length = codec_encode_run(codec, pages, count, out, sizeof(out));
		assert_int_not_equal(length, 0);
		assert_int_equal(codec_decode(codec, CODEC_ZSTD, out, length, count, -1, back), 0);
		assert_memory_equal(pages, back, count * PAGE);
		for (unsigned int i = 0; i < count; i++) {
			assert_int_equal(
				codec_decode(codec, CODEC_ZSTD, out, length, count, (int)i, back),
				0);
			assert_memory_equal(pages + (size_t)i * WORDS, back, PAGE);
		}
		assert_int_equal(codec_encode_run(codec, pages, count, out, length), 0);
	}
	assert_int_equal(codec_encode_run(codec, pages, 0, out, sizeof(out)), 0);
	assert_int_equal(codec_encode_run(codec, pages, 17, out, sizeof(out)), 0);
	codec_free(codec);
}

/* Exactly sized heap copies, so that ASan sees a read past the input. */
static void corrupt_input_is_refused_or_decoded(void **state)
{
	struct codec *codec = codec_new();
	uint64_t page[WORDS], back[WORDS];
	uint8_t out[ROOM];

	for (unsigned int round = 0; round < 400 * PATTERNS; round++) {
		enum codec_kind kind;
		size_t length;
		uint8_t *copy;
		int result;

		fill(page, round % PATTERNS);
		length = codec_encode_page(codec, page, out, ROOM, &kind);
		if (round % 3)
			length = 1 + next_random() % length;
		copy = malloc(length);
		assert_non_null(copy);
		memcpy(copy, out, length);
		copy[next_random() % length] ^= (uint8_t)(1u << next_random() % 8);
		result = codec_decode(codec, round % 5 ? kind : (enum codec_kind)(round % 6), copy,
				      length, 1, -1, back);
		assert_true(result == 0 || result == -EILSEQ);
		free(copy);
	}
	assert_int_equal(codec_decode(codec, CODEC_WORD, out, 0, 1, -1, back), -EILSEQ);
	assert_int_equal(codec_decode(codec, CODEC_RAW, out, PAGE, 2, -1, back), -EILSEQ);
	assert_int_equal(codec_decode(codec, CODEC_RAW, out, PAGE, 1, 1, back), -EILSEQ);
	assert_int_equal(codec_decode(codec, CODEC_ZSTD, out, PAGE, 17, 1, back), -EILSEQ);
	codec_free(codec);
}

static void same_pages_are_seen(void **state)
{
	uint64_t page[WORDS], word = 1;

	memset(page, 0, PAGE);
	assert_true(page_is_same(page, &word));
	assert_int_equal(word, 0);
	for (unsigned int i = 0; i < WORDS; i++) {
		page[i] ^= 1ull << i % 64;
		assert_false(page_is_same(page, &word));
		page[i] ^= 1ull << i % 64;
	}
	for (unsigned int i = 0; i < WORDS; i++)
		page[i] = 0x0123456789abcdefull;
	assert_true(page_is_same(page, &word));
	assert_int_equal(word, 0x0123456789abcdefull);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_come_back),
		cmocka_unit_test(word_pages_come_back),
		cmocka_unit_test(kinds_suit_the_page),
		cmocka_unit_test(output_is_deterministic),
		cmocka_unit_test(runs_come_back),
		cmocka_unit_test(corrupt_input_is_refused_or_decoded),
		cmocka_unit_test(same_pages_are_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
