/* SPDX-License-Identifier: MIT */
#include "pager/eviction/family.h"

#include "pager/attached/state.h"

static bool are_relatives(const struct attached *one, const struct attached *other)
{
	return one != other && one->task.stack_start &&
	       one->task.stack_start == other->task.stack_start && !other->task.dead;
}

unsigned int family_size(const struct attached *attached)
{
	struct pager *pager = attached->pager;
	unsigned int size = 1;

	pthread_mutex_lock(&pager->listing.lock);
	for (size_t i = 0; i < pager->listing.count && size; i++) {
		const struct attached *other = pager->listing.items[i];

		if (are_relatives(attached, other))
			size = other->task.has_agent && !other->evict.paused ? size + 1 : 0;
	}
	pthread_mutex_unlock(&pager->listing.lock);
	return size;
}

/* A word for the page of the batch, if this slot of a relative has its bytes; else 0. */
static desc_t share_stored(const struct attached *attached, slot_t *slot, const uint8_t *page)
{
	desc_t word = atomic_load_explicit(slot, memory_order_acquire);
	bool same;

	if (desc_state(word) != DESC_STORED && desc_state(word) != DESC_SHARED)
		return 0;
	if (!slot_trylock(slot, word))
		return 0;
	same = store_holds(attached->pager->store, word, page);
	slot_unlock(slot, word);
	if (!same || !slot_share(attached->space, slot, &word))
		return 0;
	if (desc_state(word) == DESC_SHARED)
		return word & ~(DESC_REFERENCED | DESC_AGE_MASK);
	/* Somebody brought it in meanwhile. */
	space_drop(attached->space, word);
	return 0;
}

static void find_in(struct attached *attached, const struct attached *relative)
{
	struct batch *batch = &attached->batch;

	for (unsigned int i = 0; i < batch->count; i++) {
		slot_t *slot;

		if (!batch->moved[i] || batch->twin[i])
			continue;
		slot = memory_look(relative->memory, batch->address[i]);
		if (slot)
			batch->twin[i] = share_stored(attached, slot,
						      batch->bytes + ((size_t)i << PAGE_SHIFT));
	}
}

void family_find_stored(struct attached *attached)
{
	struct pager *pager = attached->pager;

	/* Nobody is waited for with this lock held, and none of them is freed. */
	pthread_mutex_lock(&pager->listing.lock);
	for (size_t i = 0; i < pager->listing.count; i++) {
		struct attached *relative = pager->listing.items[i];

		if (!are_relatives(attached, relative) || !lock_try_read(&relative->lock))
			continue;
		find_in(attached, relative);
		unlock_read(&relative->lock);
	}
	pthread_mutex_unlock(&pager->listing.lock);
}
