/* SPDX-License-Identifier: MIT */
/*
 * The agent marks what it has moved at once. One that kept somebody waiting, and was revoked, did
 * not get to it, or only after others went on: a fork that was read meanwhile has no such mark in
 * its child. What it says of marks does not count then. The evictor marks, under the lock, where
 * nothing is present. While events are in flight the kernel puts no marks, and who waits for the
 * batch may be who would read them: then they come later (late_marks.h).
 */
#include "pager/attached/page_marks.h"

#include <errno.h>
#include <unistd.h>
#include "attach/maps.h"
#include "base/clock.h"
#include "pager/attached/late_marks.h"
#include "pager/attached/mapping.h"
#include "pager/attached/pagemap.h"
#include "pager/attached/state.h"
#include "pager/attached/userfault.h"

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

/* 0 or -errno; *pages: how many it was about. That nobody registered them, though no event is in
 * flight and their words are as they were, was told to nobody. Lock held for reading. */
static int mark_run(struct attached *attached, unsigned int first, unsigned int *pages)
{
	struct batch *batch = &attached->batch;
	int error = 0;

	*pages = count_run(batch, first);
	if (*pages)
		error = userfault_mark(attached->task.userfault, batch->address[first], *pages);
	for (unsigned int i = first; i < first + *pages; i++) {
		batch->marked[i] = !error;
		batch->astray |= error == -ENOENT;
	}
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

	batch->astray = false;
	if (!attached->pager->evict.marks)
		return;
	for (unsigned int i = batch->count; i--;) {
		int result = batch->result[i];

		batch->marked[i] =
			batch->moved[i] && !batch->late && result > 0 && result & CHANNEL_MARKED;
		if (batch->moved[i] && !batch->marked[i])
			first = i;
	}
	mark_from(attached, first);
	late_marks_note(attached);
}

unsigned int page_marks_count_left(struct attached *attached, uint64_t address, desc_t first,
				   unsigned int pages)
{
	int pagemap, marked;

	assert_reading(&attached->lock);
	if (!(first & DESC_MARKED))
		return pagemap_count_empty(attached, address, pages);
	pagemap = pagemap_of(attached);
	if (pagemap < 0)
		return 1;
	marked = maps_marked(pagemap, address, pages);
	/* An error: the process ends, or nothing of ours is mapped there now. */
	return marked < 0 ? 1 : (unsigned int)marked;
}

bool page_marks_dropped(struct attached *attached, uint64_t address, desc_t word)
{
	assert_reading(&attached->lock);
	return word & DESC_MARKED && !page_marks_count_left(attached, address, word, 1);
}

bool page_marks_strangers(const struct attached *attached)
{
	const struct batch *batch = &attached->batch;

	for (unsigned int i = 0; i < batch->count; i++)
		if (!batch->moved[i] && batch->result[i] == CHANNEL_STRANGER)
			return true;
	return false;
}

/* Its own memory stands there, not somebody's (SHM_REMAP) or nobody's. Before Linux 6.11 none can
 * tell. */
static bool is_private(int maps, uint64_t address)
{
	struct mapping now;
	int error = maps_query(maps, address, &now);

	return error ? error == -ENOTTY : now.pageable || now.joins;
}

bool page_marks_went_astray(const struct attached *attached)
{
	const struct batch *batch = &attached->batch;
	bool found = false;
	int maps;

	if (!batch->astray)
		return false;
	maps = maps_open(mapping_task(attached));
	for (unsigned int i = 0; i < batch->count && !found; i++)
		found = needs_mark(batch, i) && (maps < 0 || is_private(maps, batch->address[i]));
	if (maps >= 0)
		close(maps);
	return found;
}
