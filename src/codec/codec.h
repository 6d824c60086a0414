/* SPDX-License-Identifier: MIT */
/*
 * Codecs: how the bytes of one page, or of a run of neighbouring pages, are
 * packed into an object. A codec is a pure function with a small preallocated
 * state; it never allocates and never fails but by saying "does not fit".
 */
#ifndef CODEC_CODEC_H
#define CODEC_CODEC_H

#include <stddef.h>
#include <stdint.h>
#include "codec/codec_same.h"

enum codec_kind {
	CODEC_RAW = 0,	/* the bytes as they are */
	CODEC_WORD = 1, /* our word codec: a few hundred ns a page each way */
	CODEC_LZ4 = 2,	/* pages the word codec does badly on */
	CODEC_ZSTD = 3, /* the cleaner's: up to 64 KiB at once */
};

/* Most pages in one object. */
#define CODEC_MAX_PAGES 16u

/* Scratch state of one thread: lz4 and zstd contexts, preallocated. */
struct codec;
struct codec *codec_new(void); /* NULL: out of memory */
void codec_free(struct codec *codec);

/*
 * Encodes one page of 4096 bytes with the best cheap codec (word, lz4 or raw)
 * into `out`, which has room for `room` bytes (at least 4096 + 64: encoders
 * may write past the result's end within the room). Returns the length
 * 1..4096 and sets *kind; 4096 means CODEC_RAW.
 */
size_t codec_encode_page(struct codec *codec, const void *page, void *out, size_t room,
			 enum codec_kind *kind);

/* Encodes `pages` 1..16 pages with zstd. Returns the length, or 0 if it does not get below
 * `room`. */
size_t codec_encode_run(struct codec *codec, const void *pages, unsigned int count, void *out,
			size_t room);

/*
 * Decodes `length` bytes that stand for `count` pages and writes page `index`
 * of them (index < 0: all) to `out`. `in` may hold anything (a corrupt disk):
 * never reads outside [in, in + length), never writes outside the output, and
 * returns 0 or -EILSEQ. No alignment of `in` is assumed.
 */
int codec_decode(struct codec *codec, enum codec_kind kind, const void *in, size_t length,
		 unsigned int count, int index, void *out);

const char *codec_name(enum codec_kind kind);

#endif
