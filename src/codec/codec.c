/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <errno.h>
#include <lz4.h>
#include <stdlib.h>
#include <string.h>
#include "base/page.h"

#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include "base/page.h"
#include "codec/codec.h"
#include "codec/codec_word.h"

#define RUN	   (CODEC_MAX_PAGES * PAGE_BYTES)
#define WORD_GOOD  2560		      /* at most this: lz4 is not asked; see docs/codecs.md */
#define RAW_FROM   (PAGE_BYTES - 256) /* saves too little to be worth decoding */
#define ZSTD_LEVEL 1

struct codec {
	const struct word_codec *word;
	LZ4_stream_t lz4; /* only as memory, aligned, of LZ4_sizeofState() */
	ZSTD_CCtx *compress;
	ZSTD_DCtx *decompress;
	uint8_t block[LZ4_COMPRESSBOUND(PAGE_BYTES)];
	uint8_t run[RUN];
};

/*
 * One allocation at start, with room behind the struct in which zstd's contexts
 * live (ZSTD_initStatic*): no later call can allocate.
 */
struct codec *codec_new(void)
{
	ZSTD_compressionParameters level = ZSTD_getCParams(ZSTD_LEVEL, RUN, 0);
	size_t compress = (ZSTD_estimateCCtxSize_usingCParams(level) + 63) / 64 * 64;
	size_t decompress = (ZSTD_estimateDCtxSize() + 63) / 64 * 64;
	size_t own = (sizeof(struct codec) + 63) / 64 * 64;
	struct codec *codec = aligned_alloc(64, own + compress + decompress);
	uint8_t *behind = (uint8_t *)codec + own;

	if (!codec)
		return NULL;
	codec->word = word_best();
	codec->compress = ZSTD_initStaticCCtx(behind, compress);
	codec->decompress = ZSTD_initStaticDCtx(behind + compress, decompress);
	if (!codec->compress || !codec->decompress) {
		free(codec);
		return NULL;
	}
	return codec;
}

void codec_free(struct codec *codec)
{
	free(codec);
}

/*
 * A table cleared for each page: one that is kept between pages
 * (LZ4_resetStream_fast) saves the clearing, but its stale entries cost more than
 * that in misread branches, and lz4 then uses wider entries.
 */
static size_t encode_lz4(struct codec *codec, const void *page)
{
	int length = LZ4_compress_fast_extState(&codec->lz4, page, (char *)codec->block, PAGE_BYTES,
						sizeof(codec->block), 1);

	return length > 0 ? (size_t)length : 0;
}

size_t codec_encode_page(struct codec *codec, const void *page, void *out, size_t room,
			 enum codec_kind *kind)
{
	size_t word, lz4;

	assert(room >= PAGE_BYTES + WORD_SLACK);
	word = codec->word->encode(page, out, RAW_FROM);
	*kind = CODEC_WORD;
	if (word && word <= WORD_GOOD)
		return word;
	lz4 = encode_lz4(codec, page);
	if (lz4 && lz4 < RAW_FROM && (!word || lz4 < word)) {
		*kind = CODEC_LZ4;
		memcpy(out, codec->block, lz4);
		return lz4;
	}
	if (word && word < RAW_FROM)
		return word;
	*kind = CODEC_RAW;
	memcpy(out, page, PAGE_BYTES);
	return PAGE_BYTES;
}

size_t codec_encode_run(struct codec *codec, const void *pages, unsigned int count, void *out,
			size_t room)
{
	size_t length;

	if (!count || count > CODEC_MAX_PAGES)
		return 0;
	length = ZSTD_compressCCtx(codec->compress, out, room, pages, count * PAGE_BYTES,
				   ZSTD_LEVEL);
	return ZSTD_isError(length) || length >= room ? 0 : length;
}

static int decode_zstd(struct codec *codec, const void *in, size_t length, unsigned int count,
		       int index, void *out)
{
	void *to = index < 0 ? out : codec->run;
	size_t got = ZSTD_decompressDCtx(codec->decompress, to, count * PAGE_BYTES, in, length);

	if (ZSTD_isError(got) || got != count * PAGE_BYTES)
		return -EILSEQ;
	if (index >= 0)
		memcpy(out, codec->run + (size_t)index * PAGE_BYTES, PAGE_BYTES);
	return 0;
}

int codec_decode(struct codec *codec, enum codec_kind kind, const void *in, size_t length,
		 unsigned int count, int index, void *out)
{
	if (!count || count > CODEC_MAX_PAGES || index >= (int)count)
		return -EILSEQ;
	if (kind == CODEC_ZSTD)
		return decode_zstd(codec, in, length, count, index, out);
	if (count != 1)
		return -EILSEQ;
	switch (kind) {
	case CODEC_WORD:
		return codec->word->decode(in, length, out);
	case CODEC_LZ4:
		if (length > INT32_MAX ||
		    LZ4_decompress_safe(in, out, (int)length, PAGE_BYTES) != PAGE_BYTES)
			return -EILSEQ;
		return 0;
	case CODEC_RAW:
		if (length != PAGE_BYTES)
			return -EILSEQ;
		memcpy(out, in, PAGE_BYTES);
		return 0;
	default:
		return -EILSEQ;
	}
}

const char *codec_name(enum codec_kind kind)
{
	static const char *const names[] = {"raw", "word", "lz4", "zstd"};

	return (unsigned int)kind < 4 ? names[kind] : "unknown";
}
