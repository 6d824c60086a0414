/* SPDX-License-Identifier: MIT */
/*
 * One fault. The descriptor says what the page must hold (protocol.h); streams
 * say how much more of it to bring in at once.
 *
 * A fault that cannot be answered now is never waited for here: the server puts
 * it aside and goes on with others.
 */
#include "pager/faults/fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "attach/maps.h"
#include "pager/attached/kick.h"
#include "pager/attached/page_marks.h"
#include "pager/attached/pagemap.h"
#include "pager/attached/state.h"
#include "pager/attached/userfault.h"
#include "pager/faults/fetch.h"

/* How far a run may reach: not over the region's end (one mapping an ioctl). */
static unsigned int run_limit(struct attached *attached, uint64_t address, bool overdue)
{
	const struct region *region = region_find(&attached->regions, address);
	uint64_t pages;

	if (!region || overdue)
		return 1;
	pages = (region->end - address) >> PAGE_SHIFT;
	return pages < RUN_PAGES ? (unsigned int)pages : RUN_PAGES;
}

/* Over the budget, and pages can still leave, or others work: the answer can wait. */
static bool must_brake(const struct fault *fault)
{
	struct attached *attached = fault->attached;
	struct pager *pager = attached->pager;

	if (fault->overdue || !attached->task.has_agent || pager->budget.paused ||
	    pager->budget.no_room)
		return false;
	if (attached->serve.held)
		return true;
	return pager->budget.resident_pages > pager->budget.brake_pages ||
	       group_must_brake(attached->group);
}

static void came_in(struct attached *attached, int pages)
{
	struct pager *pager = attached->pager;
	int64_t before = pager->budget.resident_pages;

	attached_count_pages(attached, pages);
	if ((before <= pager->budget.target_pages && before + pages > pager->budget.target_pages) ||
	    group_is_over(attached->group))
		evictor_kick(pager);
}

/* A program that writes each page right after it has read it gets pages that it can write to: of
 * what its last run of first touches brought, nothing is the kernel's zero page any more. */
static bool writes_what_it_reads(const struct fault *fault, unsigned int stream)
{
	const struct attached *attached = fault->attached;
	uint32_t before = stream_before(fault->streams, stream, fault->address);

	return before && attached->task.has_agent &&
	       maps_written(attached->target.pagemap, fault->address - (before << PAGE_SHIFT),
			    before);
}

static unsigned int count_absent(slot_t *const *slots, unsigned int pages)
{
	unsigned int i;

	for (i = 1; i < pages; i++)
		if (desc_state(atomic_load_explicit(slots[i], memory_order_relaxed)) != DESC_ABSENT)
			break;
	return i;
}

/*
 * How many were installed. For reads it is the kernel's zero page, which goes nowhere that is not
 * empty: not where a mark still is from before the page was dropped (MADV_FREE keeps them). That
 * page gets memory: a COPY replaces the mark.
 */
static int install_zeros(struct attached *attached, struct fill_buffers *buffers, uint64_t address,
			 unsigned int pages, bool write)
{
	int done;

	if (!write) {
		done = userfault_zero(attached->task.userfault, address, pages, buffers->quiet);
		if (done != -EEXIST || !pagemap_is_empty(attached, address))
			return done;
		pages = 1;
	}
	return userfault_copy(attached->task.userfault, address, buffers->zeros, pages,
			      buffers->quiet);
}

/* Zeros for a page that was never touched, or that the program dropped. Locked, so that the evictor
 * cannot take the page away between the look at its word and the zeros. */
static enum fault_result first_touch(struct fault *fault, struct fill_buffers *buffers, desc_t word,
				     unsigned int limit)
{
	struct attached *attached = fault->attached;
	slot_t *slots[RUN_PAGES];
	unsigned int stream, pages = stream_plan(fault->streams, fault->address, limit, &stream);
	bool write = fault->write || writes_what_it_reads(fault, stream);
	int done;

	if (!write && pages > ZERO_RUN_READ)
		pages = ZERO_RUN_READ;
	pages = count_absent(slots,
			     memory_run(attached->memory, fault->address, pages, true, slots));
	if (write)
		pages = pagemap_count_empty(attached, fault->address, pages);
	if (!slot_trylock(slots[0], word))
		return FAULT_CHANGING;
	do
		done = install_zeros(attached, buffers, fault->address, pages, write);
	while ((done == -ENOENT || done == -EINVAL) && pages > 1 && (pages = 1));

	if (done > 0) {
		buffers->installed = (unsigned int)done;
		for (int i = 1; i < done; i++)
			slot_change(slots[i], DESC_ABSENT, DESC_RESIDENT | DESC_REFERENCED);
		slot_unlock(slots[0], DESC_RESIDENT | DESC_REFERENCED);
		space_drop(attached->space, word);
		stream_done(fault->streams, stream, fault->address + ((uint64_t)done << PAGE_SHIFT),
			    (uint32_t)done);
		came_in(attached, done);
		atomic_fetch_add_explicit(&attached->pager->figures.counters.pages_zeroed,
					  (uint64_t)done, memory_order_relaxed);
		return FAULT_DONE;
	}
	slot_unlock(slots[0], word);
	return fill_refused(attached, fault->address, done);
}

enum fault_result fault_serve_growth(struct fault *fault, struct fill_buffers *buffers)
{
	struct attached *attached = fault->attached;
	int done = userfault_copy(attached->task.userfault, fault->address, buffers->zeros, 1,
				  buffers->quiet);
	slot_t *slot;

	assert_writing(&fault->attached->lock);
	if (done != 1)
		return fill_refused(attached, fault->address, done);
	if (memory_clear(attached->memory, fault->address, fault->address + PAGE_BYTES) ||
	    region_grow(&attached->regions, fault->address, fault->address + PAGE_BYTES))
		return FAULT_DONE; /* unknown to us: it just stays */
	slot = memory_bind(attached->memory, fault->address);
	if (slot)
		slot_change(slot, DESC_ABSENT, DESC_RESIDENT | DESC_REFERENCED);
	came_in(attached, 1);
	return FAULT_DONE;
}

/* A page that an eviction batch has: its bytes are in the batch's buffer, once it was read. */
static enum fault_result from_batch(struct fault *fault, struct fill_buffers *buffers, slot_t *slot,
				    desc_t word)
{
	struct attached *attached = fault->attached;
	struct batch *batch = &attached->batch;
	unsigned int index = batch_find(batch, slot);
	bool dropped;
	int done;

	if (batch->state != BATCH_READ)
		return FAULT_LEAVING;
	if (index == batch->count)
		return FAULT_CHANGING;
	if (!slot_trylock(slot, word))
		return FAULT_CHANGING;
	/* Locked: the evictor waits for us before it uses the buffer again. It may have done so
	 * just before, for a page that stayed and was picked anew. */
	if (batch->state != BATCH_READ) {
		slot_unlock(slot, word);
		return FAULT_LEAVING;
	}
	if (!batch->moved[index]) {
		slot_unlock(slot, word);
		userfault_wake(attached->task.userfault, fault->address, 1);
		return FAULT_DONE;
	}
	dropped = batch->marked[index] && page_marks_dropped(attached, fault->address, DESC_MARKED);
	done = dropped ? userfault_zero(attached->task.userfault, fault->address, 1, buffers->quiet)
		       : 0;
	/* As in fill.c:give_zeros. */
	if (!dropped || (done == -EEXIST && pagemap_is_empty(attached, fault->address)))
		done = userfault_copy(attached->task.userfault, fault->address,
				      batch->bytes + ((size_t)index << PAGE_SHIFT), 1,
				      buffers->quiet);
	if (done == 1 || done == -EEXIST) {
		slot_unlock(slot, desc_location(word) | DESC_RESIDENT | DESC_REFERENCED |
					  1ull << DESC_AGE_SHIFT);
		came_in(attached, 1);
		if (done < 0)
			userfault_wake(attached->task.userfault, fault->address, 1);
		return FAULT_DONE;
	}
	slot_unlock(slot, word);
	return fill_refused(attached, fault->address, done);
}

static enum fault_result bring_in(struct fault *fault, struct fill_buffers *buffers,
				  unsigned int limit)
{
	struct attached *attached = fault->attached;
	unsigned int stream, filled;
	unsigned int pages = stream_plan(fault->streams, fault->address, limit, &stream);
	enum fault_result result = fill_swapped(attached, buffers, fault->address, pages, &filled);

	if (result == FAULT_DEVICE) {
		slot_t *slot = memory_look(attached->memory, fault->address);

		result = fetch_ask(attached, fault->address, slot, atomic_load(slot), fault->since);
		if (result == FAULT_FETCHED)
			stream_done(fault->streams, stream, fault->address + PAGE_BYTES, pages);
	}
	if (filled) {
		stream_done(fault->streams, stream,
			    fault->address + ((uint64_t)filled << PAGE_SHIFT), filled);
		if (attached->pager->budget.resident_pages > attached->pager->budget.target_pages ||
		    group_is_over(attached->group))
			evictor_kick(attached->pager);
	}
	return result;
}

enum fault_result fault_serve(struct fault *fault, struct fill_buffers *buffers)
{
	struct attached *attached = fault->attached;
	slot_t *slot = memory_look(attached->memory, fault->address);
	desc_t word;

	assert_reading(&fault->attached->lock);
	if (!slot)
		return FAULT_CHANGING;
	word = atomic_load_explicit(slot, memory_order_acquire);
	if (word & DESC_LOCK)
		return FAULT_CHANGING;
	switch (desc_state(word)) {
	case DESC_LEAVING:
		return from_batch(fault, buffers, slot, word);
	case DESC_ABSENT:
	case DESC_RESIDENT:
		if (must_brake(fault))
			return FAULT_BRAKED;
		return first_touch(fault, buffers, word,
				   run_limit(attached, fault->address, fault->overdue));
	case DESC_BAD:
		if (userfault_poison(attached->task.userfault, fault->address) == -EAGAIN)
			return FAULT_CHANGING;
		userfault_wake(attached->task.userfault, fault->address, 1);
		return FAULT_DONE;
	default:
		if (must_brake(fault))
			return FAULT_BRAKED;
		return bring_in(fault, buffers,
				run_limit(attached, fault->address, fault->overdue));
	}
}
