/* SPDX-License-Identifier: MIT */
/*
 * What the programs of this folder share: pages whose bytes follow from a seed and a generation.
 * Every write of a page takes a generation that no other write of the run has, so that an
 * old version, another page's bytes or another process's are told apart from the right ones.
 */
#ifndef TESTS_TREES_H
#define TESTS_TREES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE	   4096ul
#define PAGE_WORDS (PAGE / sizeof(uint64_t))
#define MIB_PAGES  256ul

uint64_t trees_mix(uint64_t value);
uint64_t trees_random(uint64_t *state);
double seconds_now(void);
void pause_ms(unsigned int ms);

/* Private anonymous memory, or exits with 1. */
void *map_private(size_t bytes);
/* The same, shared with all that are forked from here: vswap never pages it. */
void *map_shared(size_t bytes);

/* Generation 0 is a page of zeros. An eighth of the others repeat one word, a quarter do not
 * compress, the rest does about as well as most programs' memory. */
uint64_t content_word(uint64_t seed, uint32_t generation, size_t word);
void content_write(void *page, uint64_t seed, uint32_t generation);

/* The first wrong word; PAGE_WORDS if all are right. */
size_t content_wrong(const void *page, uint64_t seed, uint32_t generation);

/* Says on stderr what was expected at `page` and what stands there instead: zeros, which other
 * generation up to `newest`; and whether it is still so 100 ms later. */
void content_explain(const char *who, const void *page, uint64_t seed, uint32_t generation,
		     uint32_t newest);

/* Is `argument` the option `name`? Then takes its number from the next one, or exits with 2. */
bool number_option(char **argv, int *at, const char *name, uint64_t *value);

#endif
