// SPDX-License-Identifier: MIT
/*
 * Anchors: the word of a page that several slots share, with the number of
 * them. An anchor also stands for a stored page that moved to another slot: the
 * object's header then names a slot that no longer holds it, and the cleaner
 * finds it among the anchors (space_each_holder) until it is written again.
 */
#include "space/anchor.h"

#include <assert.h>
#include "space/private.h"

uint32_t anchor_new(struct space *space, desc_t word, uint32_t count)
{
	uint32_t anchor;

	pthread_mutex_lock(&space->lock);
	anchor = space->anchor_free;
	if (anchor)
		space->anchor_free = (uint32_t)(space->anchors[anchor] >> 8);
	else if (space->anchors_made < space->anchor_limit)
		anchor = space->anchors_made++;
	if (anchor) {
		space->anchors_used++;
		atomic_store_explicit(&space->counts[anchor], count, memory_order_relaxed);
		atomic_store_explicit(&space->anchors[anchor], word, memory_order_release);
	}
	pthread_mutex_unlock(&space->lock);
	return anchor;
}

slot_t *anchor_slot(const struct space *space, uint32_t anchor)
{
	return &space->anchors[anchor];
}

uint32_t anchor_count(const struct space *space, uint32_t anchor)
{
	return atomic_load_explicit(&space->counts[anchor], memory_order_acquire);
}

void anchor_get(struct space *space, uint32_t anchor)
{
	references_add(&space->counts[anchor]);
}

void anchor_put(struct space *space, uint32_t anchor)
{
	slot_t *slot = &space->anchors[anchor];
	desc_t word;

	if (!references_take(&space->counts[anchor]))
		return;
	word = slot_lock(slot);
	pthread_mutex_lock(&space->lock);
	/* The chain reads as an absent slot. */
	slot_unlock(slot, (desc_t)space->anchor_free << 8);
	space->anchor_free = anchor;
	space->anchors_used--;
	pthread_mutex_unlock(&space->lock);
	space_drop(space, word);
}

void space_drop(struct space *space, desc_t word)
{
	assert(!(word & DESC_LOCK));
	if (desc_state(word) == DESC_SHARED)
		anchor_put(space, desc_anchor(word));
	else if (desc_has_location(word))
		space->drop(space->drop_argument, word);
}
