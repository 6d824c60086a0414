/* SPDX-License-Identifier: MIT */
/*
 * The agent marks what it has moved at once. One that was revoked did not get to it: then the
 * evictor does, under the lock, where nothing is present. While events are in flight the kernel
 * puts no marks, and who waits for the batch may be who would read them: then pages go without,
 * and guards that take them away are not seen.
 */
#include "pager/attached/page_marks.h"

#include <errno.h>
#include "attach/maps.h"
#include "base/clock.h"
#include "pager/attached/state.h"
#include "pager/attached/userfault.h"

/* Pages looked at before it is believed that none has its mark. */
#define LOOKS 64u
/* Longest wait for events that are in flight. */
#define CHANGING_NS 2000000u

static bool needs_mark(const struct batch *batch, unsigned int i)
{
	return batch->moved[i] && !batch->marked[i] &&
	       atomic_load(batch->slot[i]) == batch->leaving[i];
}

/* Neighbours that need marks, from the first on. */
static unsigned int count_run(const struct batch *batch, unsigned int first)
{
	unsigned int i = first;

	while (i < batch->count && needs_mark(batch, i) &&
	       batch->address[i] - batch->address[first] == (uint64_t)(i - first) << PAGE_SHIFT)
		i++;
	return i - first;
}

/* 0 or -errno; *pages: how many it was about. Lock held for reading. */
static int mark_run(struct attached *attached, unsigned int first, unsigned int *pages)
{
	struct batch *batch = &attached->batch;
	int error = 0;

	*pages = count_run(batch, first);
	if (*pages)
		error = userfault_mark(attached->task.userfault, batch->address[first], *pages);
	for (unsigned int i = first; !error && i < first + *pages; i++)
		batch->marked[i] = true;
	return error;
}

static void mark_from(struct attached *attached, unsigned int i)
{
	struct batch *batch = &attached->batch;
	uint64_t until = monotonic_ns() + CHANGING_NS;
	unsigned int pages, rounds = 0;

	while (i < batch->count && !batch->cancel && !attached->task.dead) {
		int error;

		/* Who has it for writing may wait for us. */
		if (!lock_try_read(&attached->lock)) {
			space_wait(&rounds);
			continue;
		}
		error = mark_run(attached, i, &pages);
		unlock_read(&attached->lock);
		if (error == -EAGAIN && monotonic_ns() < until)
			space_wait(&rounds);
		else
			i += pages ? pages : 1;
	}
}

void page_marks_settle(struct attached *attached)
{
	struct batch *batch = &attached->batch;
	unsigned int first = batch->count;

	if (!attached->pager->evict.marks)
		return;
	for (unsigned int i = batch->count; i--;) {
		int result = batch->result[i];

		batch->marked[i] = batch->moved[i] && result > 0 && result & CHANNEL_MARKED;
		if (batch->moved[i] && !batch->marked[i])
			first = i;
	}
	mark_from(attached, first);
}

unsigned int page_marks_count_left(struct attached *attached, uint64_t address, desc_t first,
				   unsigned int pages)
{
	int pagemap, marked;

	if (!(first & DESC_MARKED))
		return attached_count_empty(attached, address, pages);
	pagemap = attached_pagemap(attached);
	if (pagemap < 0)
		return 1;
	marked = maps_marked(pagemap, address, pages);
	return marked < 0 ? 1 : (unsigned int)marked; /* an error: the process ends */
}

bool page_marks_dropped(struct attached *attached, uint64_t address, desc_t word)
{
	return word & DESC_MARKED && !page_marks_count_left(attached, address, word, 1);
}

static bool was_marked(const struct attached *attached, uint64_t address)
{
	const slot_t *slot = memory_look(attached->memory, address);
	desc_t word = slot ? atomic_load(slot) : DESC_ABSENT;

	return desc_is_swapped(word) && word & DESC_MARKED;
}

bool page_marks_stand(struct attached *attached, uint64_t start, uint64_t end)
{
	const uint64_t cluster_bytes = 1ull << CLUSTER_SHIFT;
	unsigned int looks = 0;
	uint64_t at = start;

	while (memory_next(attached->memory, at, &at) != SPACE_NO_CLUSTER && at < end) {
		uint64_t stop = (at | (cluster_bytes - 1)) + 1;

		for (at = at < start ? start : at; at < stop && at < end; at += PAGE_BYTES) {
			if (!was_marked(attached, at))
				continue;
			if (!page_marks_dropped(attached, at, DESC_MARKED))
				return true;
			if (++looks == LOOKS)
				return false;
		}
		at = stop;
	}
	return false;
}
