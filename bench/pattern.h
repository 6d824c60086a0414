/* SPDX-License-Identifier: MIT */
/*
 * Contents of pages, made the same way each time from a seed.
 *
 *   word         one 64-bit word in four is random, the others are small integers
 *   python-like  reference counts, a few type pointers, heap pointers, hashes, short strings
 *   random       does not compress
 *   text         lines of JSON with ids, as a cache server holds them
 *   FILE         the pages of a file, over and over: a dump of a real heap (bench/heap-dump)
 *
 * Words 1 and 2 of every page are marks (pattern_mark), whatever the pattern.
 */
#ifndef BENCH_PATTERN_H
#define BENCH_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATTERN_BYTES 4096u
#define PATTERN_WORDS 512u

struct pattern {
	const char *name;
	int kind;
	int file; /* of a dump, else -1 */
	uint64_t file_pages;
};

/* One thread's dice. */
struct pattern_state {
	uint64_t random;
};

/* 0, or -1 with errno. */
int pattern_open(struct pattern *pattern, const char *name);
void pattern_start(struct pattern_state *state, uint64_t seed);
/* Writes page `number`; must be called for the pages in their order. */
void pattern_page(const struct pattern *pattern, struct pattern_state *state, uint64_t number,
		  uint64_t *page);
/* New memory of so many pages, filled in order, always alike; NULL with errno. */
uint64_t *pattern_fill(const char *name, size_t pages);

static inline uint64_t pattern_mark(uint64_t number, unsigned int word)
{
	return (number * PATTERN_WORDS + word) & 0xffff;
}

/* Has page `number` of what was filled still its marks? */
static inline bool pattern_holds(const uint64_t *memory, size_t number)
{
	const uint64_t *page = memory + number * PATTERN_WORDS;

	return page[1] == pattern_mark(number, 1) && page[2] == pattern_mark(number, 2);
}

static inline uint64_t pattern_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

#endif
