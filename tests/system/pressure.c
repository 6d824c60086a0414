/* SPDX-License-Identifier: MIT */
/*
 * Description: not a test by itself: allocates, fills, checks and frees memory without a pause, at
 * most 1 GiB a second, and keeps MiB of it. Arguments: how, MiB, seconds. Prints "right" at
 * the end; says "WRONG" and ends with 3 when a word is not its own.
 *
 *   area      one mapping for ever, whose parts are given back with MADV_DONTNEED
 *   mappings  a mapping for each chunk of 2 MiB, as large allocations are
 *   thin      as area, but of each 2 MiB only one page is touched, and counts
 *
 * One word in four is random, the others are small: about what programs hold.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define CHUNK	  (2ul << 20)
#define PAGE_WORD 512ul
#define WORDS	  (CHUNK / sizeof(uint64_t))
#define PAGES	  (WORDS / PAGE_WORD)
/* What one page takes at 1 GiB a second. */
#define PAGE_SECONDS (1.0 / 262144)

/* Of each chunk. */
static size_t pages_touched = PAGES;

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static uint64_t step(uint64_t random)
{
	random ^= random << 13;
	random ^= random >> 7;
	return random ^ random << 17;
}

static uint64_t *map(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED) {
		perror("pressure: mmap");
		exit(1);
	}
	return at;
}

static void fill(uint64_t *chunk, uint64_t number)
{
	uint64_t random = (number + 1) * 0x9e3779b97f4a7c15ull;

	for (size_t i = 0; i < pages_touched * PAGE_WORD; i += 4) {
		random = step(random);
		chunk[i] = random;
		chunk[i + 1] = number;
		chunk[i + 2] = i;
		chunk[i + 3] = random >> 56;
	}
}

/* Looks at each page once. */
static void check(uint64_t *chunk, uint64_t number)
{
	for (size_t i = 0; i < pages_touched * PAGE_WORD; i += PAGE_WORD) {
		if (chunk[i + 1] != number || chunk[i + 2] != i) {
			printf("WRONG chunk %llu word %zu is %llu %llu\n",
			       (unsigned long long)number, i, (unsigned long long)chunk[i + 1],
			       (unsigned long long)chunk[i + 2]);
			fflush(stdout);
			_Exit(3);
		}
	}
}

static void keep_pace(double start, uint64_t chunks)
{
	double ahead = (double)(chunks * pages_touched) * PAGE_SECONDS - (seconds_now() - start);

	if (ahead > 0.001)
		nanosleep(&(struct timespec){.tv_nsec = (long)(ahead * 1e9) % 1000000000}, NULL);
}

int main(int argc, char **argv)
{
	bool mappings = argc > 1 && !strcmp(argv[1], "mappings");
	size_t kept = (argc > 2 ? strtoul(argv[2], NULL, 10) : 64) << 20 >> 12, keep;
	double seconds = argc > 3 ? atof(argv[3]) : 1, start = seconds_now();
	uint64_t **chunks, number = 0, *area;

	if (argc > 1 && !strcmp(argv[1], "thin"))
		pages_touched = 1;
	keep = kept / pages_touched;
	chunks = calloc(keep, sizeof(*chunks));
	area = mappings ? NULL : map(keep * CHUNK);
	if (!chunks || !keep)
		return 1;
	/* Once through all of it at least, however slow. */
	for (; number < 2 * keep || seconds_now() - start < seconds; number++) {
		uint64_t **chunk = &chunks[number % keep];

		if (*chunk) {
			check(*chunk, number - keep);
			if (mappings)
				munmap(*chunk, CHUNK);
			else
				madvise(*chunk, CHUNK, MADV_DONTNEED);
		}
		*chunk = mappings ? map(CHUNK) : area + number % keep * WORDS;
		fill(*chunk, number);
		keep_pace(start, number);
	}
	for (uint64_t old = number - keep; old < number; old++)
		check(chunks[old % keep], old);
	printf("right, %llu MiB\n", (unsigned long long)(number * pages_touched >> 8));
	return 0;
}
