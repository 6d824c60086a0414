/* SPDX-License-Identifier: MIT */
/*
 * The race area: pages that are written without a lock while other threads fork. A write goes from
 * the first word to the last; the first holds its generation and the one before. Whatever moment
 * fork chose for a page, a child must find a beginning of one write and the rest of the one before
 * it.
 */
#include "forkstorm.h"

#include <stdio.h>

static volatile uint64_t *area;

static volatile uint64_t *page_of(const struct worker *part, unsigned int page)
{
	return area + ((size_t)part->index * RACE_PAGES + page) * PAGE_WORDS;
}

static atomic_uint *generation_of(const struct worker *part, unsigned int page)
{
	return &self->worker[part->index].race[page];
}

static void write_page(struct worker *part, unsigned int page)
{
	uint32_t before = atomic_load_explicit(generation_of(part, page), memory_order_relaxed);
	uint32_t generation = atomic_fetch_add(&shared->generation, 1) + 1;
	volatile uint64_t *words = page_of(part, page);

	words[0] = (uint64_t)generation << 32 | before;
	for (size_t i = 1; i < PAGE_WORDS; i++)
		words[i] = content_word(options.seed, generation, i);
	atomic_store(generation_of(part, page), generation);
}

void race_new(void)
{
	area = map_private(MAX_WORKERS * RACE_PAGES * PAGE);
	for (unsigned int w = 0; w < MAX_WORKERS; w++)
		race_settle(&workers[w]);
}

void race_settle(struct worker *part)
{
	for (unsigned int i = 0; i < RACE_PAGES; i++)
		write_page(part, i);
}

void race_write(struct worker *worker, unsigned int pages)
{
	while (pages--)
		write_page(worker, below(worker, RACE_PAGES));
}

static void check_page(struct worker *worker, struct worker *part, unsigned int page, bool torn)
{
	volatile uint64_t *words = page_of(part, page);
	uint32_t least = atomic_load(generation_of(part, page));
	uint32_t generation = words[0] >> 32, before = (uint32_t)words[0];
	size_t i = 1;

	if (generation < least || generation > atomic_load(&shared->generation) ||
	    (!torn && generation != least))
		fail(worker, "race page %u of worker %u at %p has generation %u, %s %u", page,
		     part->index, (void *)words, generation, torn ? "not at least" : "not", least);
	while (i < PAGE_WORDS && words[i] == content_word(options.seed, generation, i))
		i++;
	while (torn && i < PAGE_WORDS && words[i] == content_word(options.seed, before, i))
		i++;
	if (i < PAGE_WORDS)
		fail(worker,
		     "race page %u of worker %u at %p: word %zu is %016llx; generation %u says "
		     "%016llx, %u before it %016llx",
		     page, part->index, (void *)(words + i), i, (unsigned long long)words[i],
		     generation, (unsigned long long)content_word(options.seed, generation, i),
		     before, (unsigned long long)content_word(options.seed, before, i));
}

static void check_part(struct worker *worker, struct worker *part, bool torn)
{
	for (unsigned int i = 0; i < RACE_PAGES; i++)
		check_page(worker, part, i, torn);
	atomic_fetch_add(&shared->pages, RACE_PAGES);
}

void race_check_torn(struct worker *worker, struct worker *part)
{
	check_part(worker, part, true);
}

void race_check(struct worker *worker, struct worker *part)
{
	check_part(worker, part, false);
}
