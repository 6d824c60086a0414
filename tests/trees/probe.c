/* SPDX-License-Identifier: MIT */
/*
 * Who has it right? The process that found a wrong page waits a moment, in which every other one
 * says what it has there: whether it came wrong from a parent is seen from these lines.
 */
#include "forkstorm.h"

#include <stdio.h>
#include <unistd.h>

#define PROBE_MS 2000u

static bool is_right(const struct arena *arena, size_t index)
{
	const struct block *block = &arena->blocks[index / BLOCK_PAGES];
	size_t page = index % BLOCK_PAGES;

	return page >= block->pages || content_wrong(block->base + page * PAGE, options.seed,
						     arena->generations[index]) == PAGE_WORDS;
}

void probe_all(struct worker *worker, size_t index)
{
	bool others = atomic_exchange(&shared->probe.taken, true);

	if (!others) {
		shared->probe.arena = worker->index;
		shared->probe.index = index;
		shared->probe.finder = getpid();
		atomic_store(&shared->probe.open, true);
	}
	/* The first one that is done ends the run. */
	pause_ms(others ? 2 * PROBE_MS : PROBE_MS);
}

void probe_answer(struct worker *worker)
{
	const struct arena *arena = &worker->arena;
	size_t index = shared->probe.index;

	if (worker->index != shared->probe.arena || shared->probe.finder == getpid() ||
	    atomic_exchange(&self->answered, true))
		return;
	dprintf(STDERR_FILENO,
		"forkstorm: pid %d of %d, depth %u, born at %u, has generation %u at %p: %s\n",
		getpid(), getppid(), self->depth, self->birth, arena->generations[index],
		(void *)(arena->blocks[index / BLOCK_PAGES].base + index % BLOCK_PAGES * PAGE),
		is_right(arena, index) ? "right" : "WRONG");
}
