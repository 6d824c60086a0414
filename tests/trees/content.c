/* SPDX-License-Identifier: MIT */
#include "trees.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

uint64_t trees_mix(uint64_t value)
{
	value += 0x9e3779b97f4a7c15ull;
	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ull;
	value = (value ^ (value >> 27)) * 0x94d049bb133111ebull;
	return value ^ (value >> 31);
}

uint64_t trees_random(uint64_t *state)
{
	return trees_mix(++*state);
}

double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void pause_ms(unsigned int ms)
{
	struct timespec pause = {ms / 1000, ms % 1000 * 1000000l};

	while (nanosleep(&pause, &pause) && errno == EINTR)
		;
}

static void *map(size_t bytes, int flags)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);

	if (at == MAP_FAILED) {
		fprintf(stderr, "mmap of %zu bytes: %m\n", bytes);
		exit(1);
	}
	return at;
}

void *map_private(size_t bytes)
{
	return map(bytes, MAP_PRIVATE);
}

void *map_shared(size_t bytes)
{
	return map(bytes, MAP_SHARED);
}

static uint64_t key_of(uint64_t seed, uint32_t generation)
{
	return trees_mix(seed ^ generation * 0xd6e8feb86659fd93ull);
}

static uint64_t word_of(uint64_t key, size_t word)
{
	unsigned int kind = key & 7;

	if (kind == 0)
		return key;
	if (kind <= 5 && word % 4)
		return (key >> 40) + word;
	return trees_mix(key + word);
}

uint64_t content_word(uint64_t seed, uint32_t generation, size_t word)
{
	return generation ? word_of(key_of(seed, generation), word) : 0;
}

void content_write(void *page, uint64_t seed, uint32_t generation)
{
	uint64_t key = key_of(seed, generation), *words = page;

	for (size_t i = 0; i < PAGE_WORDS; i++)
		words[i] = generation ? word_of(key, i) : 0;
}

size_t content_wrong(const void *page, uint64_t seed, uint32_t generation)
{
	uint64_t key = key_of(seed, generation);
	const uint64_t *words = page;
	size_t i = 0;

	while (i < PAGE_WORDS && words[i] == (generation ? word_of(key, i) : 0))
		i++;
	return i;
}

static void say_origin(const char *who, uint64_t found, size_t word, uint64_t seed, uint32_t newest)
{
	if (!found) {
		fprintf(stderr, "%s: that word is zero\n", who);
		return;
	}
	for (uint32_t g = 1; g && g <= newest; g++) {
		if (content_word(seed, g, word) != found)
			continue;
		fprintf(stderr, "%s: that is generation %u (of %u written in all)\n", who, g,
			newest);
		return;
	}
	fprintf(stderr, "%s: that is of no generation up to %u\n", who, newest);
}

void content_explain(const char *who, const void *page, uint64_t seed, uint32_t generation,
		     uint32_t newest)
{
	size_t first = content_wrong(page, seed, generation), wrong = 0, again;
	uint64_t found = first < PAGE_WORDS ? ((const uint64_t *)page)[first] : 0;

	for (size_t i = 0; i < PAGE_WORDS; i++)
		wrong += ((const uint64_t *)page)[i] != content_word(seed, generation, i);
	if (first < PAGE_WORDS) {
		fprintf(stderr,
			"%s: page %p word %zu: expected %016llx (generation %u), found %016llx; "
			"%zu words are wrong\n",
			who, page, first, (unsigned long long)content_word(seed, generation, first),
			generation, (unsigned long long)found, wrong);
		say_origin(who, found, first, seed, newest);
	}
	pause_ms(100);
	again = content_wrong(page, seed, generation);
	fprintf(stderr, "%s: 100 ms later %s\n", who,
		again == PAGE_WORDS ? "it is right" : "it is still wrong");
}

bool number_option(char **argv, int *at, const char *name, uint64_t *value)
{
	char *end;

	if (strcmp(argv[*at], name) != 0)
		return false;
	if (!argv[*at + 1]) {
		fprintf(stderr, "%s: %s wants a number\n", argv[0], name);
		exit(2);
	}
	*value = strtoull(argv[++*at], &end, 10);
	if (*end || end == argv[*at]) {
		fprintf(stderr, "%s: %s wants a number, not '%s'\n", argv[0], name, argv[*at]);
		exit(2);
	}
	return true;
}
