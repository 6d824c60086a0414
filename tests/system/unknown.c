/* SPDX-License-Identifier: MIT */
/*
 * Description: not a test by itself: has pages that its pager is not told of, by the way that is
 * its first argument, and MiB of them (the second). Prints "paged" after it has filled and read
 * twice as much in the usual way, "ready" when the pages are there, and "right" at SIGTERM if all
 * of them hold what they should.
 *
 *   free      freed with MADV_FREE and written again: that raises no fault
 *   populate  new mappings that are full before anybody can have registered them
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE  4096ul
#define CHUNK (1ul << 20)

static uint64_t value(uint64_t seed, size_t page, size_t word)
{
	uint64_t x = (seed << 32) + page * 512 + word;

	/* One word in four is random, about what programs hold. */
	return word % 4 ? x : (x ^ x >> 13) * 0x9E3779B97F4A7C15u;
}

static void fill(uint64_t *at, size_t pages, uint64_t seed)
{
	for (size_t i = 0; i < pages * 512; i++)
		at[i] = value(seed, i / 512, i % 512);
}

static void check(const uint64_t *at, size_t pages, uint64_t seed)
{
	for (size_t i = 0; i < pages * 512; i++)
		if (at[i] != value(seed, i / 512, i % 512)) {
			printf("WRONG page %zu\n", i / 512);
			exit(3);
		}
}

static uint64_t *map(size_t bytes, int flags)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags,
			-1, 0);

	if (at == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return at;
}

static void free_and_write(uint64_t *at, size_t pages)
{
	/* They are here now, and nothing else is wanted meanwhile: so they stay. */
	check(at, pages, 1);
	if (madvise(at, pages * PAGE, MADV_FREE)) {
		perror("MADV_FREE");
		exit(1);
	}
	fill(at, pages, 2);
}

static void populate(uint64_t *chunks[], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		chunks[i] = map(CHUNK, MAP_POPULATE);
		fill(chunks[i], CHUNK / PAGE, 3 + i);
	}
}

int main(int argc, char **argv)
{
	static uint64_t *chunks[1024];
	size_t mib = argc > 2 ? strtoul(argv[2], NULL, 10) : 0, pages = mib * CHUNK / PAGE;
	int freed = argc > 1 && !strcmp(argv[1], "free"), number;
	uint64_t *other, *area;
	sigset_t set;

	if (!mib || mib > 1024 || (!freed && strcmp(argv[1], "populate") != 0)) {
		fprintf(stderr, "usage: unknown free|populate MIB\n");
		return 2;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	other = map(2 * mib * CHUNK, 0);
	area = map(mib * CHUNK, 0);
	fill(area, pages, 1);
	fill(other, 2 * pages, 9);
	check(other, 2 * pages, 9);
	puts("paged");
	munmap(other, 2 * mib * CHUNK);
	if (freed)
		free_and_write(area, pages);
	else
		populate(chunks, mib);
	puts("ready");
	fflush(stdout);
	sigwait(&set, &number);
	check(area, pages, freed ? 2 : 1);
	for (size_t i = 0; !freed && i < mib; i++)
		check(chunks[i], CHUNK / PAGE, 3 + i);
	puts("right");
	return 0;
}
