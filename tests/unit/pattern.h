/* SPDX-License-Identifier: MIT */
/* Pages whose bytes follow from a number, of all the kinds that codecs tell apart. */
#ifndef TESTS_PATTERN_H
#define TESTS_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

/* A small generator of its own, so that a seed means the same everywhere. */
static inline uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* Fills 4096 bytes; page number 0 is all zeros. */
void pattern_fill(uint64_t number, void *page);
bool pattern_matches(uint64_t number, const void *page);

#endif
