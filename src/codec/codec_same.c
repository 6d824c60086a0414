/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "base/page.h"
#include "codec/codec_same.h"

/*
 * A page is one word repeated when it equals itself moved by one word. Most
 * pages are told apart by a few words; for the rest, memcmp is the fastest
 * vector code that the machine has, and stops at the first difference.
 */
_Bool page_is_same(const void *page, uint64_t *word)
{
	const uint8_t *bytes = page;
	uint64_t first, second, middle, last;

	memcpy(&first, bytes, 8);
	memcpy(&second, bytes + 8, 8);
	memcpy(&middle, bytes + PAGE_BYTES / 2, 8);
	memcpy(&last, bytes + PAGE_BYTES - 8, 8);
	if ((first ^ second) | (first ^ middle) | (first ^ last))
		return 0;
	if (memcmp(bytes, bytes + 8, PAGE_BYTES - 8))
		return 0;
	*word = first;
	return 1;
}
