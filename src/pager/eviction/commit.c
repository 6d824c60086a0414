/* SPDX-License-Identifier: MIT */
#include "pager/eviction/commit.h"

#include <errno.h>
#include "pager/attached/state.h"
#include "pager/eviction/family.h"
#include "pager/eviction/pick.h"

/* Locks a page of the batch for its last change; false if an event or a fault came first. The
 * server may hold it for a moment, to answer a fault. */
static bool settle(struct batch *batch, unsigned int i)
{
	unsigned int rounds = 0;

	while (!slot_trylock(batch->slot[i], batch->leaving[i])) {
		if ((atomic_load(batch->slot[i]) & ~DESC_LOCK) != batch->leaving[i])
			return false;
		space_wait(&rounds);
	}
	return true;
}

/* A page that did not move stays; why decides how soon it is tried again. */
static void stay(struct attached *attached, unsigned int i)
{
	struct batch *batch = &attached->batch;
	int why = batch->result[i];
	desc_t word = (batch->leaving[i] & ~DESC_STATE_MASK) | DESC_RESIDENT;

	if (!settle(batch, i))
		return;
	if (why == -ENOENT || why == -EFAULT) {
		/* The program has dropped it, or it is a guard: a missing page without bytes is a
		 * zero page. */
		slot_unlock(batch->slot[i], DESC_ABSENT);
		space_drop(attached->space, word);
		return;
	}
	/* Busy although it was made the program's own: it is pinned. */
	if (why == -EINVAL || (why == -EBUSY && batch->parting)) {
		atomic_fetch_add(&attached->pager->figures.counters.refused, 1);
		fixed_refused(&attached->evict.fixed, word & DESC_FIXED);
		word |= DESC_FIXED;
	} else if (why == -EBUSY) {
		word |= DESC_AGE_MASK;
	}
	slot_unlock(batch->slot[i], word);
}

/* What the bytes of a page that left are from now on. What the word of the batch named is given up.
 */
static desc_t store_bytes(struct attached *attached, unsigned int i)
{
	struct batch *batch = &attached->batch;
	struct pager *pager = attached->pager;
	const uint8_t *page = batch->bytes + ((size_t)i << PAGE_SHIFT);
	desc_t leaving = batch->leaving[i], word = batch->twin[i];

	if (!word && desc_segment(leaving) && store_is_same(pager->store, leaving, page))
		return desc_make_stored(leaving);
	space_drop(attached->space, leaving);
	if (word)
		return word;
	word = store_put(pager->evict.writer, batch->id[i], page);
	/* A moving average over some thousand pages, 1/16 of a byte each. */
	pager->budget.stored_size +=
		((int64_t)desc_length(word) * 16 - pager->budget.stored_size) / 1024;
	return word;
}

/* The bytes get their place. The lock keeps events, faults and the cleaner away for the moment;
 * whoever changed the word before us has won. */
static void store_page(struct attached *attached, unsigned int i)
{
	struct batch *batch = &attached->batch;

	if (settle(batch, i))
		slot_unlock(batch->slot[i],
			    store_bytes(attached, i) | (batch->marked[i] ? DESC_MARKED : 0));
	else if (batch->twin[i])
		space_drop(attached->space, batch->twin[i]);
}

/* Pages that others have too do not make room: each counts for its share (tree.h). */
static void count_moved(struct attached *attached, int64_t moved, int64_t parted)
{
	int64_t relatives = attached->batch.relatives, shared = attached->count.shared_pages;
	int64_t others = parted * relatives / (relatives + 1);

	others = others < shared ? others : shared;
	attached->count.shared_pages = shared - others;
	attached_count_pages(attached, others - moved);
	atomic_fetch_add_explicit(&attached->pager->figures.counters.pages_out, (uint64_t)moved,
				  memory_order_relaxed);
}

static bool has_parted(const struct attached *attached, unsigned int i)
{
	int result = attached->batch.result[i];

	return attached->batch.moved[i] && result > 0 && result & CHANNEL_PARTED;
}

bool commit_batch(struct attached *attached)
{
	struct batch *batch = &attached->batch;
	int64_t moved = 0, parted = 0;

	if (batch->relatives)
		family_find_stored(attached);
	for (unsigned int i = 0; i < batch->count; i++) {
		if (batch->moved[i]) {
			if (batch->leaving[i] & DESC_FIXED)
				fixed_left(&attached->evict.fixed);
			store_page(attached, i);
			moved++;
			parted += has_parted(attached, i);
		} else {
			stay(attached, i);
		}
	}
	store_published(attached->pager->evict.writer);
	count_moved(attached, moved, parted);
	group_count_out(attached->group, (uint64_t)moved);
	return moved > 0;
}

void commit_list_parted(const struct attached *attached, struct page_list *list)
{
	const struct batch *batch = &attached->batch;

	list->count = 0;
	for (unsigned int i = 0; i < batch->count && batch->relatives; i++)
		if (has_parted(attached, i))
			list->address[list->count++] = batch->address[i];
}
