// SPDX-License-Identifier: MIT
#include "pattern.h"
#include <string.h>

#define WORDS 512

void pattern_fill(uint64_t number, void *page)
{
	uint64_t state = number, words[WORDS] = {0};

	switch (number % 8) {
	case 0: /* zeros, or one word near the end */
		words[500] = number;
		break;
	case 1: /* a repeated word that fits a descriptor */
	case 2: /* and one that does not */
		for (int i = 0; i < WORDS; i++)
			words[i] = number % 8 == 1 ? number : number << 40 | number | 1ull << 63;
		break;
	case 3: /* nothing to gain */
		for (int i = 0; i < WORDS; i++)
			words[i] = random_next(&state);
		break;
	case 4: /* text: no whole word repeats */
		for (int i = 0; i < WORDS * 8; i++)
			((char *)words)[i] =
				"the quick brown fox jumps over it. "[(i * number) % 35];
		break;
	default: /* a heap: small integers, pointers, some noise */
		for (int i = 0; i < WORDS; i++) {
			uint64_t r = random_next(&state);

			words[i] = r % 4 == 0	? r
				   : r % 4 == 1 ? 0x7f0012340000ull + r % 4096 * 16
						: r % 300;
		}
	}
	memcpy(page, words, sizeof(words));
}

bool pattern_matches(uint64_t number, const void *page)
{
	char expected[4096];

	pattern_fill(number, expected);
	return !memcmp(expected, page, sizeof(expected));
}
