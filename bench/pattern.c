// SPDX-License-Identifier: MIT
#include "bench/pattern.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WORD, PYTHON_LIKE, RANDOM, TEXT, DUMP };

static const char *const names[] = {"word", "python-like", "random", "text"};

int pattern_open(struct pattern *pattern, const char *name)
{
	struct stat stat;

	*pattern = (struct pattern){.name = name, .kind = DUMP, .file = -1};
	for (int kind = 0; kind < DUMP; kind++)
		if (!strcmp(name, names[kind]))
			pattern->kind = kind;
	if (pattern->kind != DUMP)
		return 0;
	pattern->file = open(name, O_RDONLY | O_CLOEXEC);
	if (pattern->file < 0 || fstat(pattern->file, &stat))
		return -1;
	pattern->file_pages = stat.st_size / PATTERN_BYTES;
	if (!pattern->file_pages) {
		errno = EINVAL;
		return -1;
	}
	return 0;
}

void pattern_start(struct pattern_state *state, uint64_t seed)
{
	state->random = seed;
}

static void words(struct pattern_state *state, uint64_t number, uint64_t *page)
{
	for (unsigned int i = 0; i < PATTERN_WORDS; i++)
		page[i] = i % 4 ? pattern_mark(number, i) : pattern_random(&state->random);
}

/*
 * The layout of CPython's small objects, as it looks in a heap full of dicts,
 * tuples, ints and short strings: (count, type) heads, pointers into the same
 * arena, now and then a hash or some letters.
 */
static void python_like(struct pattern_state *state, uint64_t number, uint64_t *page)
{
	const uint64_t heap = 0x7f3a5c000000ull, types = 0x55d0c8a31000ull;

	for (unsigned int i = 0; i < PATTERN_WORDS; i += 8) {
		uint64_t dice = pattern_random(&state->random);

		page[i] = 1 + (dice & 1) * (dice >> 60);
		page[i + 1] = types + (dice >> 8 & 7) * 0x1a0;
		page[i + 2] = dice >> 12 & 15;
		page[i + 3] = heap + number * PATTERN_BYTES + (dice >> 20 & 0xfff0);
		page[i + 4] = heap + (dice >> 16 & 0x3fffffe0);
		page[i + 5] = dice & 2 ? pattern_random(&state->random) : 0;
		page[i + 6] = dice & 4 ? 0x656d616e5f646975ull + (dice >> 56) : 0;
		page[i + 7] = dice & 8 ? heap + (dice >> 30 & 0xffff0) : UINT64_MAX;
	}
}

static void text(struct pattern_state *state, uint64_t number, uint64_t *page)
{
	static const char *const cities[] = {"Lagos", "Lima",  "Oslo",	"Quito",
					     "Hanoi", "Turin", "Perth", "Leeds"};
	char *at = (char *)page, line[256];
	size_t left = PATTERN_BYTES;

	while (left) {
		uint64_t dice = pattern_random(&state->random);
		size_t length =
			snprintf(line, sizeof(line),
				 "{\"id\": %llu, \"user\": \"u%06llu\", \"city\": \"%s\", "
				 "\"score\": %llu.%02llu, \"token\": \"%08llx\", "
				 "\"active\": %s}\n",
				 (unsigned long long)(number * 29 + left / 140),
				 (unsigned long long)(dice % 1000000), cities[dice >> 61],
				 (unsigned long long)(dice >> 20 & 0x3ff),
				 (unsigned long long)(dice >> 30 & 63),
				 (unsigned long long)(dice >> 32), dice & 1 ? "true" : "false");

		if (length > left)
			length = left;
		memcpy(at, line, length);
		at += length;
		left -= length;
	}
}

static void dump(const struct pattern *pattern, uint64_t number, uint64_t *page)
{
	off_t offset = number % pattern->file_pages * PATTERN_BYTES;

	if (pread(pattern->file, page, PATTERN_BYTES, offset) != PATTERN_BYTES)
		memset(page, 0, PATTERN_BYTES);
}

void pattern_page(const struct pattern *pattern, struct pattern_state *state, uint64_t number,
		  uint64_t *page)
{
	switch (pattern->kind) {
	case WORD:
		words(state, number, page);
		break;
	case PYTHON_LIKE:
		python_like(state, number, page);
		break;
	case RANDOM:
		for (unsigned int i = 0; i < PATTERN_WORDS; i++)
			page[i] = pattern_random(&state->random);
		break;
	case TEXT:
		text(state, number, page);
		break;
	case DUMP:
		dump(pattern, number, page);
		break;
	}
	page[1] = pattern_mark(number, 1);
	page[2] = pattern_mark(number, 2);
}

uint64_t *pattern_fill(const char *name, size_t pages)
{
	struct pattern_state state;
	struct pattern pattern;
	uint64_t *memory;

	if (pattern_open(&pattern, name))
		return NULL;
	memory = mmap(NULL, pages * PATTERN_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return NULL;
	pattern_start(&state, 1);
	for (size_t page = 0; page < pages; page++)
		pattern_page(&pattern, &state, page, memory + page * PATTERN_WORDS);
	return memory;
}
