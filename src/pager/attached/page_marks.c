/* SPDX-License-Identifier: MIT */
/*
 * The agent marks what it has moved at once. One that was revoked did not get to it: then the
 * evictor does, under the lock, where nothing is present. While events are in flight the kernel
 * puts no marks, and who waits for the batch may be who would read them: then they come later
 * (late_marks.h).
 */
#include "pager/attached/page_marks.h"

#include <errno.h>
#include "attach/maps.h"
#include "base/clock.h"
#include "pager/attached/late_marks.h"
#include "pager/attached/pagemap.h"
#include "pager/attached/state.h"
#include "pager/attached/userfault.h"

/* Page-table entries that are looked at at once. */
#define SPAN_BYTES (2ull << 20)
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

/* Pages of a batch, from one on, that lie within SPAN_BYTES, going up. */
struct span {
	const struct batch *batch;
	unsigned int first, count, found;
};

static void note_marking(void *argument, uint64_t start, uint64_t end)
{
	struct span *span = argument;

	for (unsigned int i = span->first; i < span->first + span->count; i++)
		span->found += span->batch->address[i] >= start && span->batch->address[i] < end;
}

static struct span next_span(const struct batch *batch, unsigned int first)
{
	struct span span = {.batch = batch, .first = first, .count = 1};
	const uint64_t *address = batch->address;

	for (unsigned int i = first + 1; i < batch->count; i++, span.count++)
		if (address[i] < address[i - 1] || address[i] - address[first] >= SPAN_BYTES)
			break;
	return span;
}

bool page_marks_batch_is_ours(struct attached *attached)
{
	const struct batch *batch = &attached->batch;
	int pagemap = attached->target.pagemap;
	struct span span;

	if (!attached->pager->evict.marks)
		return true;
	for (unsigned int first = 0; first < batch->count; first += span.count) {
		uint64_t last;

		span = next_span(batch, first);
		last = batch->address[first + span.count - 1];
		if (maps_marking(pagemap, batch->address[first], last + PAGE_BYTES, note_marking,
				 &span) ||
		    span.found != span.count)
			return false;
	}
	return true;
}
