// SPDX-License-Identifier: MIT
/*
 * churn: an allocator at work in a program that is over its budget.
 *
 * It fills cold memory first, so that a limit below that is under pressure, then
 * maps, touches and gives back memory in a loop, as malloc does with big
 * blocks ("map": munmap, "advise": MADV_DONTNEED of parts of one arena, "heap":
 * brk up and down). One line of JSON for each; ns are for each page touched,
 * calls included. New memory must read as zero, cold memory as it was.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "bench/histogram.h"
#include "bench/options.h"
#include "bench/pattern.h"

#define ARENA_BYTES (64u << 20)

static uint64_t dice = 88172645463325252ull;

static void fail(const char *what)
{
	fprintf(stderr, "churn: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void touch(char *memory, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += PATTERN_BYTES) {
		volatile uint64_t *word = (volatile uint64_t *)(memory + at);

		if (*word) {
			fprintf(stderr, "churn: WRONG DATA: new memory is not zero at %p\n",
				(void *)word);
			_exit(3);
		}
		*word = at + 1;
	}
}

/* 16 KiB to 1 MiB, small ones more often. */
static size_t any_size(void)
{
	uint64_t random = pattern_random(&dice);
	unsigned int power = random % 7;

	return ((size_t)4 << power) * PATTERN_BYTES - (random >> 32 & 3) * PATTERN_BYTES;
}

static size_t churn_map(void)
{
	size_t bytes = any_size();
	char *memory =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		fail("mmap");
	touch(memory, bytes);
	munmap(memory, bytes);
	return bytes;
}

static size_t churn_advise(void)
{
	static char *arena;
	size_t bytes = any_size(), at;

	if (!arena)
		arena = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0);
	if (arena == MAP_FAILED)
		fail("mmap");
	at = pattern_random(&dice) % ((ARENA_BYTES - bytes) / PATTERN_BYTES) * PATTERN_BYTES;
	touch(arena + at, bytes);
	madvise(arena + at, bytes, MADV_DONTNEED);
	return bytes;
}

static size_t churn_heap(void)
{
	size_t bytes = any_size();
	char *memory = sbrk(bytes);

	if (memory == (char *)-1)
		fail("sbrk");
	touch(memory, bytes);
	if (sbrk(-(intptr_t)bytes) == (char *)-1)
		fail("sbrk");
	return bytes;
}

static void run(const char *name, size_t (*once)(void), uint64_t seconds)
{
	uint64_t start = bench_now(), end = start + seconds * 1000000000u, now;
	size_t bytes = 0, calls = 0;

	do {
		bytes += once();
		calls++;
		now = bench_now();
	} while (now < end);
	printf("{\"phase\":\"churn-%s\",\"seconds\":%.4f,\"calls\":%zu,\"pages\":%zu,"
	       "\"ns_per_page\":%.1f,\"ns_per_call\":%.0f}\n",
	       name, (now - start) * 1e-9, calls, bytes / PATTERN_BYTES,
	       (double)(now - start) / (bytes / PATTERN_BYTES), (double)(now - start) / calls);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	uint64_t seconds = 2, mib = 512, *cold;
	size_t pages;

	for (int at = 1; at < argc; at++)
		if (!option_number(argv, &at, "--mib", &mib) &&
		    !option_number(argv, &at, "--seconds", &seconds))
			mib = 0;
	if (!mib) {
		fprintf(stderr, "usage: churn [--mib N] [--seconds N]\n");
		return 2;
	}
	pages = mib * (1048576 / PATTERN_BYTES);
	cold = pattern_fill("word", pages);
	if (!cold)
		fail("mmap");
	run("map", churn_map, seconds);
	run("advise", churn_advise, seconds);
	run("heap", churn_heap, seconds);
	for (size_t page = 0; page < pages; page++)
		if (!pattern_holds(cold, page)) {
			fprintf(stderr, "churn: WRONG DATA: cold page %zu\n", page);
			return 3;
		}
	return 0;
}
