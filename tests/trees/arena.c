/* SPDX-License-Identifier: MIT */
/*
 * Arenas: blocks of pages, a generation for each page, and what programs do to such memory.
 */
#include "forkstorm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct run {
	unsigned int block, first, count;
	char *at;
};

static uint64_t page_term(size_t index, uint32_t generation)
{
	return trees_mix(options.seed + index * 0x9e3779b97f4a7c15ull +
			 generation * 0xd6e8feb86659fd93ull);
}

static uint64_t block_term(size_t index, const struct block *block)
{
	return trees_mix((uint64_t)block->base ^ ((uint64_t)block->pages << 48) ^ index);
}

static void digest_change(struct worker *worker, uint64_t from, uint64_t to)
{
	atomic_ullong *digest = &self->worker[worker->index].digest;

	atomic_store_explicit(digest,
			      atomic_load_explicit(digest, memory_order_relaxed) + to - from,
			      memory_order_relaxed);
}

static void set_generation(struct worker *worker, size_t index, uint32_t generation)
{
	uint32_t *at = &worker->arena.generations[index];

	digest_change(worker, page_term(index, *at), page_term(index, generation));
	*at = generation;
}

static void set_block(struct worker *worker, unsigned int index, char *base, uint32_t pages)
{
	struct block *block = &worker->arena.blocks[index];
	uint64_t before = block_term(index, block);

	block->base = base;
	block->pages = pages;
	digest_change(worker, before, block_term(index, block));
}

static void forget(struct worker *worker, const struct run *run)
{
	for (unsigned int i = 0; i < run->count; i++)
		set_generation(worker, run->block * BLOCK_PAGES + run->first + i, 0);
}

static void model_check(struct worker *worker)
{
	struct arena *arena = &worker->arena;
	uint64_t digest = 0, wanted = atomic_load(&self->worker[worker->index].digest);

	for (unsigned int b = 0; b < arena->count; b++)
		digest += block_term(b, &arena->blocks[b]);
	for (size_t p = 0; p < (size_t)arena->count * BLOCK_PAGES; p++)
		digest += page_term(p, arena->generations[p]);
	if (digest != wanted)
		fail(worker, "the model at %p of arena %u is not what it was: %016llx, not %016llx",
		     (void *)arena->generations, worker->index, (unsigned long long)digest,
		     (unsigned long long)wanted);
}

void arena_new(struct worker *worker, unsigned int blocks)
{
	struct arena *arena = &worker->arena;
	size_t head = (blocks * sizeof(struct block) + PAGE - 1) & -PAGE;
	uint64_t digest = 0;

	arena->count = blocks;
	arena->blocks = map_private(head + (size_t)blocks * BLOCK_PAGES * sizeof(uint32_t));
	arena->generations = (uint32_t *)((char *)arena->blocks + head);
	for (unsigned int b = 0; b < blocks; b++) {
		arena->blocks[b] =
			(struct block){map_private(BLOCK_PAGES * PAGE), BLOCK_PAGES, true};
		digest += block_term(b, &arena->blocks[b]);
	}
	for (size_t p = 0; p < (size_t)blocks * BLOCK_PAGES; p++)
		digest += page_term(p, 0);
	atomic_store(&self->worker[worker->index].digest, digest);
}

/* A bit goes wrong on purpose: the run must end with 1. */
static void spoil(char *at, unsigned long checked)
{
	if (options.spoil && checked >= options.spoil && !atomic_exchange(&shared->spoiled, true))
		((uint64_t *)at)[77] ^= 1;
}

/* Says which pages of the run are wrong, and how each stands to this process's birth. */
static void explain_run(const struct run *run, const uint32_t *generations)
{
	fprintf(stderr, "forkstorm: pid %d was born at generation %u; wrong of %u pages:", getpid(),
		self->birth, run->count);
	for (unsigned int i = 0; i < run->count; i++)
		if (content_wrong(run->at + i * PAGE, options.seed, generations[i]) != PAGE_WORDS)
			fprintf(stderr, " %u (generation %u)", run->first + i, generations[i]);
	fputc('\n', stderr);
}

static void run_check(struct worker *worker, const struct run *run)
{
	const uint32_t *generations =
		&worker->arena.generations[run->block * BLOCK_PAGES + run->first];

	spoil(run->at, atomic_fetch_add(&shared->pages, run->count));
	for (unsigned int i = 0; i < run->count; i++) {
		const char *page = run->at + i * PAGE;

		beat("check");
		if (content_wrong(page, options.seed, generations[i]) == PAGE_WORDS)
			continue;
		content_explain("forkstorm", page, options.seed, generations[i],
				atomic_load(&shared->generation));
		explain_run(run, generations);
		probe_all(worker, (size_t)run->block * BLOCK_PAGES + run->first + i);
		fail(worker, "arena %u block %u page %u at %p is wrong", worker->index, run->block,
		     run->first + i, (const void *)page);
	}
}

static void run_write(struct worker *worker, const struct run *run)
{
	for (unsigned int i = 0; i < run->count; i++) {
		uint32_t generation = atomic_fetch_add(&shared->generation, 1) + 1;

		content_write(run->at + i * PAGE, options.seed, generation);
		set_generation(worker, run->block * BLOCK_PAGES + run->first + i, generation);
	}
}

static struct run whole_block(struct worker *worker, unsigned int index)
{
	struct block *block = &worker->arena.blocks[index];

	return (struct run){index, 0, block->pages, block->base};
}

static struct run pick_run(struct worker *worker, unsigned int most)
{
	struct run run = whole_block(worker, below(worker, worker->arena.count));

	run.first = below(worker, run.count);
	run.count -= run.first;
	if (run.count > most)
		run.count = most;
	run.count = 1 + below(worker, run.count);
	run.at += run.first * PAGE;
	return run;
}

void arena_check(struct worker *worker)
{
	model_check(worker);
	for (unsigned int b = 0; b < worker->arena.count; b++) {
		struct run run = whole_block(worker, b);

		run_check(worker, &run);
	}
}

static void run_drop(struct worker *worker, const struct run *run)
{
	if (madvise(run->at, run->count * PAGE, MADV_DONTNEED))
		fail(worker, "madvise: %m");
	forget(worker, run);
}

/* Another mapping in the middle of the block, at once: no other thread can take the place. */
static void run_replace(struct worker *worker, const struct run *run)
{
	if (mmap(run->at, run->count * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != run->at)
		fail(worker, "mmap over %p: %m", (void *)run->at);
	worker->arena.blocks[run->block].single = false;
	forget(worker, run);
}

/* Shared memory first (shmat tells nobody of what it replaces), fresh memory in its place. */
static void run_share(struct worker *worker, const struct run *run)
{
	struct run part = *run;

	part.count = segment_attach(worker, run->at, 1 + below(worker, run->count));
	if (!part.count)
		return;
	memset(part.at, (int)run->first + 1, part.count * PAGE);
	run_replace(worker, &part);
	if (one_in(worker, 2))
		run_write(worker, &part);
}

/* More addresses than there may be: the kernel tells of an unmapping, and changes nothing. */
static void run_refuse(struct worker *worker, const struct run *run)
{
	worker->arena.blocks[run->block].single = false;
	if (mmap(run->at, ADDRESSES_MOST + PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) != MAP_FAILED)
		fail(worker, "a mapping beyond the limit was not refused");
	run_check(worker, run);
}

static void run_protect(struct worker *worker, const struct run *run)
{
	int rights = one_in(worker, 2) ? PROT_READ : PROT_NONE;

	worker->arena.blocks[run->block].single = false;
	if (mprotect(run->at, run->count * PAGE, rights))
		fail(worker, "mprotect: %m");
	if (rights == PROT_READ)
		run_check(worker, run);
	if (mprotect(run->at, run->count * PAGE, PROT_READ | PROT_WRITE))
		fail(worker, "mprotect: %m");
}

static void block_fresh(struct worker *worker, unsigned int index)
{
	struct run run = whole_block(worker, index);

	if (munmap(run.at, run.count * PAGE))
		fail(worker, "munmap: %m");
	forget(worker, &run);
	worker->arena.blocks[index].single = true;
	set_block(worker, index, map_private(run.count * PAGE), run.count);
}

/* Where mappings did not merge the kernel says EFAULT and changes nothing. */
static bool moved(struct worker *worker, const void *result)
{
	if (result != MAP_FAILED)
		return true;
	if (errno != EFAULT)
		fail(worker, "mremap: %m");
	atomic_fetch_add(&shared->refused, 1);
	return false;
}

/* Of several mappings the kernel may move the first ones before it refuses the next. */
static void block_move(struct worker *worker, unsigned int index)
{
	struct run run = whole_block(worker, index);
	size_t bytes = run.count * PAGE;
	void *to;

	if (!worker->arena.blocks[index].single) {
		block_fresh(worker, index);
		return;
	}
	to = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (to == MAP_FAILED)
		fail(worker, "mmap: %m");
	if (moved(worker, mremap(run.at, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to)))
		set_block(worker, index, to, run.count);
	/* Otherwise nobody knows whether the place is still ours. */
}

static void block_resize(struct worker *worker, unsigned int index)
{
	struct run run = whole_block(worker, index);
	unsigned int pages = BLOCK_LEAST + below(worker, BLOCK_PAGES - BLOCK_LEAST + 1);
	char *at = mremap(run.at, run.count * PAGE, pages * PAGE, MREMAP_MAYMOVE);

	if (!moved(worker, at))
		return;
	if (pages < run.count) {
		run.first = pages;
		run.count -= pages;
		forget(worker, &run);
	}
	set_block(worker, index, at, pages);
}

void arena_shrink(struct worker *worker)
{
	for (unsigned int b = 0; b < worker->arena.count; b++) {
		struct run run = whole_block(worker, b);

		if (one_in(worker, 2))
			run_drop(worker, &run);
		else if (one_in(worker, 2))
			block_fresh(worker, b);
	}
}

void arena_operation(struct worker *worker)
{
	unsigned int kind, block;
	struct run run;

	if (atomic_load(&shared->probe.open))
		probe_answer(worker);
	kind = below(worker, 100);
	block = below(worker, worker->arena.count);
	run = pick_run(worker, 32);
	if (kind < 35)
		run_write(worker, &run);
	else if (kind < 76)
		run_check(worker, &run);
	else if (kind < 82)
		run_drop(worker, &run);
	else if (kind < 84)
		run_replace(worker, &run);
	else if (kind < 85)
		run_share(worker, &run);
	else if (kind < 86)
		run_refuse(worker, &run);
	else if (kind < 91)
		run_protect(worker, &run);
	else if (kind < 94)
		block_move(worker, block);
	else if (kind < 97)
		block_resize(worker, block);
	else if (kind < 99)
		block_fresh(worker, block);
	else
		model_check(worker);
}
