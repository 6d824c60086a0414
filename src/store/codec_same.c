/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "store/codec.h"

#define PAGE 4096u

/*
 * A page equals one repeated word when it equals itself moved by one word. Most
 * pages are told apart by their first and last words; for the rest, whole
 * blocks are folded without a branch, which the compiler makes vector code.
 */
_Bool page_is_same(const void *page, uint64_t *word)
{
	const uint8_t *bytes = page;
	uint64_t first, probe[3];

	memcpy(&first, bytes, 8);
	memcpy(&probe[0], bytes + PAGE - 8, 8);
	memcpy(&probe[1], bytes + 8, 8);
	memcpy(&probe[2], bytes + PAGE / 2, 8);
	if (((first ^ probe[0]) | (first ^ probe[1]) | (first ^ probe[2])))
		return 0;
	for (unsigned int block = 0; block < PAGE; block += 512) {
		uint64_t difference = 0;

		for (unsigned int i = 0; i < 512; i += 8) {
			uint64_t at;

			memcpy(&at, bytes + block + i, 8);
			difference |= at ^ first;
		}
		if (difference)
			return 0;
	}
	*word = first;
	return 1;
}
