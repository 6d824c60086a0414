/* SPDX-License-Identifier: MIT */
/*
 * Bringing swapped pages back in: lock the descriptors of a run, look which pages are as they
 * were left, get the bytes, install all with one COPY, and only then say "resident".
 *
 * If the COPY installs less than asked, the rest stays swapped: nothing was
 * given up before the kernel had it.
 */
#include "pager/attached/fill.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "pager/attached/kick.h"
#include "pager/attached/page_marks.h"
#include "pager/attached/pagemap.h"
#include "pager/attached/state.h"
#include "pager/attached/userfault.h"

/*
 * A page that came in keeps its object as a shadow, so that it need not be encoded again if it
 * stays clean, when the object is small: those are the pages whose encoding is slow, and a
 * large one takes more from what may stay resident (a fault each) than encoding costs.
 */
#define SHADOW_MOST 512u

struct fill_buffers *fill_buffers_new(void)
{
	struct fill_buffers *buffers = calloc(1, sizeof(*buffers));
	size_t bytes = (size_t)RUN_PAGES << PAGE_SHIFT;
	uint8_t *pages, *zeros;

	/* Takes memory as longer runs need it. */
	pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	zeros = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (!buffers || pages == MAP_FAILED || zeros == MAP_FAILED) {
		if (pages != MAP_FAILED)
			munmap(pages, bytes);
		if (zeros != MAP_FAILED)
			munmap(zeros, bytes);
		free(buffers);
		return NULL;
	}
	buffers->pages = pages;
	buffers->zeros = zeros;
	return buffers;
}

void fill_buffers_free(struct fill_buffers *buffers)
{
	size_t bytes = (size_t)RUN_PAGES << PAGE_SHIFT;

	if (!buffers)
		return;
	munmap(buffers->pages, bytes);
	munmap((void *)buffers->zeros, bytes);
	free(buffers);
}

enum fault_result fill_refused(struct attached *attached, uint64_t address, int error)
{
	switch (error) {
	case -EAGAIN:
		return FAULT_CHANGING;
	case -ENOMEM:
	case -ENOSPC:
		return FAULT_BRAKED;
	case -ESRCH:
		attached->task.dead = true;
		return FAULT_DONE;
	default:
		/* Present by now, or no longer registered; its thread looks for itself. */
		userfault_wake(attached->task.userfault, address, 1);
		return FAULT_DONE;
	}
}

static void release(slot_t *const *slots, const desc_t *words, unsigned int from, unsigned int to)
{
	for (unsigned int i = from; i < to; i++)
		slot_unlock(slots[i], words[i]);
}

/*
 * The program has dropped the page, and no event told: zeros, unless a guard or a page is there.
 * The slot is locked. False: nothing was done, since something is there that cannot be seen, which
 * only a mark can be: it was not dropped.
 */
static bool give_zeros(struct attached *attached, slot_t *slot, desc_t word, uint64_t address,
		       bool quiet, enum fault_result *result)
{
	int done = userfault_zero(attached->task.userfault, address, 1, quiet);

	if (done == -EEXIST && pagemap_is_empty(attached, address))
		return false;
	*result = FAULT_DONE;
	if (done != 1 && done != -EEXIST) {
		slot_unlock(slot, word);
		*result = fill_refused(attached, address, done);
		return true;
	}
	slot_unlock(slot, DESC_RESIDENT | DESC_REFERENCED);
	space_drop(attached->pager->space, word);
	if (done == 1)
		attached_count_pages(attached, 1);
	else
		userfault_wake(attached->task.userfault, address, 1);
	return true;
}

/* Pages behind one that was dropped, as far as they were, too; how many. Their slots are locked, and
 * their words say that they have marks: the kernel puts no zero page where one still stands. */
static unsigned int give_more_zeros(struct attached *attached, slot_t *const *slots,
				    const desc_t *words, unsigned int pages, uint64_t address,
				    bool quiet)
{
	int done = pages ? userfault_zero(attached->task.userfault, address, pages, quiet) : 0;

	if (done <= 0)
		return 0;
	for (int i = 0; i < done; i++) {
		slot_unlock(slots[i], DESC_RESIDENT | DESC_REFERENCED);
		space_drop(attached->pager->space, words[i]);
	}
	attached_count_pages(attached, done);
	return (unsigned int)done;
}

/* The first page of a run was dropped; false: it was not. All that is locked is given up. */
static bool fill_zeros(struct attached *attached, struct fill_buffers *buffers, uint64_t address,
		       slot_t *const *slots, const desc_t *words, unsigned int locked,
		       enum fault_result *result)
{
	unsigned int more = 0;

	if (!give_zeros(attached, slots[0], words[0], address, buffers->quiet, result))
		return false;
	if (*result == FAULT_DONE)
		more = give_more_zeros(attached, slots + 1, words + 1,
				       (locked < ZERO_RUN_READ ? locked : ZERO_RUN_READ) - 1,
				       address + PAGE_BYTES, buffers->quiet);
	release(slots, words, 1 + more, locked);
	buffers->installed = 1 + more;
	return true;
}

/* Bytes that cannot be had: this page alone raises SIGBUS from now on. The slot is locked. */
static enum fault_result poison(struct attached *attached, slot_t *slot, desc_t word,
				uint64_t address, bool for_good)
{
	enum fault_result zeros;
	int result = 0;

	if (page_marks_dropped(attached, address, word) &&
	    give_zeros(attached, slot, word, address, false, &zeros))
		return zeros;
	if (word & DESC_MARKED)
		result = userfault_unmark(attached->task.userfault, address);
	if (!result) {
		word &= ~DESC_MARKED;
		result = userfault_poison(attached->task.userfault, address);
	}
	if (result == -EAGAIN) {
		slot_unlock(slot, word);
		return FAULT_CHANGING;
	}
	slot_unlock(slot, for_good ? DESC_BAD : word);
	if (for_good)
		space_drop(attached->pager->space, word);
	userfault_wake(attached->task.userfault, address, 1);
	return FAULT_DONE;
}

/* Locks up to `pages` slots; how many is returned. Stops at the first that is not swapped or busy,
 * and where marks begin or end. */
static unsigned int lock_run(slot_t *const *slots, unsigned int pages, desc_t *words)
{
	unsigned int i;

	for (i = 0; i < pages; i++) {
		desc_t word = atomic_load_explicit(slots[i], memory_order_acquire);

		if (!desc_is_swapped(word))
			break;
		if (i && (word ^ words[0]) & DESC_MARKED)
			break;
		if (!slot_trylock(slots[i], word))
			break;
		words[i] = word;
	}
	return i;
}

/* The bytes of locked slots; how many could be had without waiting for a device. */
static unsigned int read_run(struct store *store, const desc_t *words, unsigned int pages,
			     uint8_t *bytes)
{
	unsigned int i;

	for (i = 0; i < pages; i++)
		if (store_try_get(store, words[i], bytes + ((size_t)i << PAGE_SHIFT)))
			break;
	return i;
}

/* The kernel has the page: its slot says so, and what was stored becomes a shadow. */
static void settle(struct attached *attached, slot_t *slot, desc_t word)
{
	if (desc_state(word) == DESC_STORED && desc_length(word) &&
	    desc_length(word) <= SHADOW_MOST) {
		slot_unlock(slot, desc_location(word) | DESC_RESIDENT | DESC_REFERENCED);
		return;
	}
	slot_unlock(slot, DESC_RESIDENT | DESC_REFERENCED);
	space_drop(attached->pager->space, word);
}

enum fault_result fill_swapped(struct attached *attached, struct fill_buffers *buffers,
			       uint64_t address, unsigned int pages, unsigned int *filled)
{
	slot_t *slots[RUN_PAGES];
	desc_t words[RUN_PAGES];
	unsigned int locked, left, count;
	enum fault_result zeros;
	int done;

	assert_reading(&attached->lock);
	assert(pages <= RUN_PAGES);
	*filled = 0;
	pages = memory_run(attached->memory, address, pages, false, slots);
	locked = lock_run(slots, pages, words);
	if (!locked)
		return FAULT_CHANGING; /* somebody has the slot: look again */
	left = page_marks_count_left(attached, address, words[0], locked);
	if (!left) {
		if (fill_zeros(attached, buffers, address, slots, words, locked, &zeros)) {
			*filled = zeros == FAULT_DONE ? buffers->installed : 0;
			return zeros;
		}
		release(slots, words, 1, locked);
		left = locked = 1;
	}
	count = read_run(attached->pager->store, words, left, buffers->pages);
	release(slots, words, count, locked);
	if (!count)
		return FAULT_DEVICE;

	done = userfault_copy(attached->task.userfault, address, buffers->pages, count,
			      buffers->quiet);
	if ((done == -ENOENT || done == -EINVAL) && count > 1) {
		/* Mappings changed somewhere in the run: the first page may still be fine. */
		release(slots, words, 1, count);
		count = 1;
		done = userfault_copy(attached->task.userfault, address, buffers->pages, 1,
				      buffers->quiet);
	}
	if (done > 0) {
		for (int i = 0; i < done; i++)
			settle(attached, slots[i], words[i]);
		release(slots, words, (unsigned int)done, count);
		attached_count_pages(attached, done);
		group_count_in(attached->group, (uint64_t)done);
		atomic_fetch_add_explicit(&attached->pager->figures.counters.pages_in,
					  (uint64_t)done, memory_order_relaxed);
		*filled = buffers->installed = (unsigned int)done;
		return FAULT_DONE;
	}
	if (done == -EEXIST) {
		/* Present although it was swapped: the program's own page wins (it can only
		 * come from a mapping that replaced ours before its event was read). */
		atomic_fetch_add(&attached->pager->figures.counters.anomalies, 1);
		settle(attached, slots[0], words[0]);
		release(slots, words, 1, count);
		userfault_wake(attached->task.userfault, address, 1);
		*filled = 1;
		return FAULT_DONE;
	}
	release(slots, words, 0, count);
	return fill_refused(attached, address, done);
}

/* Locks the slot of a page that was fetched, if the fetch is about what it stands for now: its
 * word is the fetch's. NULL with what becomes of the fault. */
static slot_t *lock_fetched(struct attached *attached, uint64_t address,
			    const struct store_fetch *fetch, enum fault_result *result)
{
	slot_t *slot = memory_look(attached->memory, address);

	*result = FAULT_DONE;
	if (slot && region_find(&attached->regions, address)) {
		if (slot_trylock(slot, fetch->word)) {
			if (store_fetch_is(attached->pager->store, fetch))
				return slot;
			slot_unlock(slot, fetch->word);
		} else if ((atomic_load(slot) & ~DESC_LOCK) == fetch->word) {
			*result = FAULT_CHANGING;
			return NULL;
		}
	}
	userfault_wake(attached->task.userfault, address, 1);
	return NULL;
}

enum fault_result fill_fetched(struct attached *attached, uint64_t address,
			       const struct store_fetch *fetch, const void *page)
{
	struct pager *pager = attached->pager;
	enum fault_result result;
	slot_t *slot = lock_fetched(attached, address, fetch, &result);
	int done = -EEXIST; /* a guard since: it took the page's bytes */

	assert_reading(&attached->lock);
	if (!slot)
		return result;
	if (page_marks_dropped(attached, address, fetch->word) &&
	    give_zeros(attached, slot, fetch->word, address, false, &result))
		return result;
	if (fetch->word & DESC_MARKED || pagemap_is_empty(attached, address))
		done = userfault_copy(attached->task.userfault, address, page, 1, false);
	if (done == 1) {
		settle(attached, slot, fetch->word);
		attached_count_pages(attached, 1);
		group_count_in(attached->group, 1);
		atomic_fetch_add_explicit(&pager->figures.counters.pages_in, 1,
					  memory_order_relaxed);
		if (pager->budget.resident_pages > pager->budget.target_pages ||
		    group_is_over(attached->group))
			evictor_kick(pager);
		return FAULT_DONE;
	}
	if (done == -EEXIST) { /* as in fill_swapped */
		atomic_fetch_add(&pager->figures.counters.anomalies, 1);
		settle(attached, slot, fetch->word);
		userfault_wake(attached->task.userfault, address, 1);
		return FAULT_DONE;
	}
	slot_unlock(slot, fetch->word);
	return fill_refused(attached, address, done);
}

enum fault_result fill_lost(struct attached *attached, uint64_t address,
			    const struct store_fetch *fetch, bool for_good)
{
	enum fault_result result;
	slot_t *slot = lock_fetched(attached, address, fetch, &result);

	assert_reading(&attached->lock);
	return slot ? poison(attached, slot, fetch->word, address, for_good) : result;
}
