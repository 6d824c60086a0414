/* SPDX-License-Identifier: MIT */
/*
 * Description: decoders on arbitrary bytes, and round trips.
 *
 * The first byte says what to do with the others; they go through a copy of
 * exactly their length, so that the address sanitizer sees a read past it.
 */
#include <stdlib.h>
#include <string.h>
#include "codec/codec.h"
#include "codec/codec_word.h"

#define PAGE 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(_Bool condition)
{
	if (!condition)
		abort();
}

static uint8_t *copy_of(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	require(copy != NULL);
	memcpy(copy, data, size);
	return copy;
}

/* Whatever the input, every implementation agrees on it. */
static void decode_word(const uint8_t *data, size_t size)
{
	static uint8_t first[PAGE], second[PAGE];
	uint8_t *copy = copy_of(data, size);
	int result = word_portable.decode(copy, size, first);

	require(word_best()->decode(copy, size, second) == result);
	require(result || !memcmp(first, second, PAGE));
	free(copy);
}

static void decode(struct codec *codec, uint8_t what, const uint8_t *data, size_t size)
{
	static uint8_t out[CODEC_MAX_PAGES * PAGE];
	unsigned int count = 1 + what % CODEC_MAX_PAGES;
	uint8_t *copy = copy_of(data, size);

	for (unsigned int kind = 0; kind < 5; kind++) {
		codec_decode(codec, (enum codec_kind)kind, copy, size, 1, -1, out);
		codec_decode(codec, (enum codec_kind)kind, copy, size, count, -1, out);
		codec_decode(codec, (enum codec_kind)kind, copy, size, count, what % 3, out);
	}
	free(copy);
}

static void word_round_trip(const uint8_t *page)
{
	static uint8_t out[2 * PAGE], reference[2 * PAGE], back[PAGE];
	size_t most = sizeof(out) - WORD_SLACK;
	size_t length = word_best()->encode(page, out, most);

	require(length && word_portable.encode(page, reference, most) == length);
	require(!memcmp(out, reference, length));
	require(!word_best()->decode(out, length, back) && !memcmp(page, back, PAGE));
	require(!word_portable.decode(out, length, back) && !memcmp(page, back, PAGE));
}

/* The input, repeated and in between shifted, as a page. */
static void round_trip(struct codec *codec, uint8_t what, const uint8_t *data, size_t size)
{
	static uint8_t page[PAGE], back[PAGE];
	uint8_t *out = malloc(PAGE + 64);
	enum codec_kind kind;
	size_t length;
	uint64_t word;

	require(out != NULL);
	memset(page, 0, PAGE);
	for (size_t at = 0; size && at < PAGE; at += size + what / 16)
		memcpy(page + at, data, size < PAGE - at ? size : PAGE - at);
	length = codec_encode_page(codec, page, out, PAGE + 64, &kind);
	require(length >= 1 && length <= PAGE && (length == PAGE) == (kind == CODEC_RAW));
	require(!codec_decode(codec, kind, out, length, 1, 0, back) && !memcmp(page, back, PAGE));
	word_round_trip(page);
	if (page_is_same(page, &word)) {
		for (unsigned int i = 0; i < PAGE; i += 8)
			require(!memcmp(page + i, &word, 8));
	}
	length = codec_encode_run(codec, page, 1, out, PAGE);
	if (length)
		require(!codec_decode(codec, CODEC_ZSTD, out, length, 1, -1, back) &&
			!memcmp(page, back, PAGE));
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct codec *codec;

	if (!codec)
		codec = codec_new();
	if (!size || !codec)
		return 0;
	if (data[0] & 1) {
		decode(codec, data[0] >> 1, data + 1, size - 1);
		decode_word(data + 1, size - 1);
	} else {
		round_trip(codec, data[0], data + 1, size - 1);
	}
	return 0;
}
