/* SPDX-License-Identifier: MIT */
/*
 * The word codec: one page of 4096 bytes as 512 words of 64 bits. In the manner
 * of WKdm (Wilson, Kaplan and Smaragdakis, 1999), but a word refers to an
 * earlier word by its distance, so that the decoder keeps no dictionary.
 */
#ifndef STORE_CODEC_WORD_H
#define STORE_CODEC_WORD_H

#include <stddef.h>
#include <stdint.h>

/* Encoders and decoders work in steps of 16 words; this much slack is written past the end. */
#define WORD_SLACK 160u

/*
 * Encodes a page into `out`, which has room for `room` bytes. Returns the
 * length, or 0 if it would pass room - WORD_SLACK.
 */
size_t word_encode(const void *page, uint8_t *out, size_t room);

/* Decodes exactly `length` bytes into the 4096 of `page`. 0 or -EILSEQ; see codec_decode. */
int word_decode(const uint8_t *in, size_t length, void *page);

#endif
