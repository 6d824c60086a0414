// SPDX-License-Identifier: MIT
/*
 * Clusters: 16 slots in 128 bytes. Forked memories hold references on the same
 * cluster; the first that must change a slot takes a copy of its own. Only
 * then do the stored slots become anchors, so a fork itself touches no slot.
 */
#include "space/cluster.h"

#include <errno.h>
#include "space/private.h"

uint32_t cluster_new(struct space *space)
{
	uint32_t id = slab_take(&space->clusters);

	if (id)
		atomic_store_explicit(&space->references[id], 1, memory_order_relaxed);
	return id;
}

void cluster_lock_page(void *page)
{
	slot_t *slots = page;

	for (size_t i = 0; i < PAGE_BYTES / sizeof(*slots); i++)
		slot_lock(&slots[i]);
}

slot_t *cluster_slots(const struct space *space, uint32_t cluster)
{
	return slab_at(&space->clusters, cluster);
}

uint32_t cluster_references(const struct space *space, uint32_t cluster)
{
	return atomic_load_explicit(&space->references[cluster], memory_order_acquire);
}

void cluster_share(struct space *space, uint32_t cluster)
{
	references_add(&space->references[cluster]);
}

void slots_drop(struct space *space, slot_t *slots, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		desc_t word;

		if (!atomic_load_explicit(&slots[i], memory_order_relaxed))
			continue;
		word = slot_lock(&slots[i]);
		slot_unlock(&slots[i], 0);
		space_drop(space, word);
	}
}

bool slots_are_absent(const slot_t *slots, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (atomic_load_explicit(&slots[i], memory_order_relaxed))
			return false;
	return true;
}

uint32_t cluster_after(const struct space *space, uint32_t id)
{
	uint32_t end = slab_end(&space->clusters);

	while (++id < end)
		if (cluster_references(space, id))
			return id;
	return 0;
}

void cluster_put(struct space *space, uint32_t cluster)
{
	if (references_take(&space->references[cluster])) {
		slots_drop(space, cluster_slots(space, cluster), CLUSTER_SLOTS);
		slab_give(&space->clusters, cluster);
	}
}

bool cluster_is_empty(const struct space *space, uint32_t cluster)
{
	return slots_are_absent(cluster_slots(space, cluster), CLUSTER_SLOTS);
}

bool slot_share(struct space *space, slot_t *slot, desc_t *copy)
{
	desc_t word = slot_lock(slot);
	desc_t flags = word & (DESC_REFERENCED | DESC_AGE_MASK);
	uint32_t anchor;

	*copy = word;
	switch (desc_state(word)) {
	case DESC_STORED:
		anchor = anchor_new(space, desc_make_stored(word), 2);
		if (!anchor) {
			slot_unlock(slot, word);
			return false;
		}
		word = *copy = desc_make_shared(anchor) | flags;
		break;
	case DESC_SHARED:
		anchor_get(space, desc_anchor(word));
		break;
	case DESC_RESIDENT:
	case DESC_LEAVING:
		*copy = desc_state(word) | flags; /* one shadow, one holder */
		break;
	default:
		break;
	}
	slot_unlock(slot, word);
	return true;
}

int slot_duplicate(struct space *space, slot_t *from, slot_t *to)
{
	desc_t word, old;

	if (from == to)
		return 0;
	if (!slot_share(space, from, &word))
		return -ENOMEM;
	old = slot_lock(to);
	slot_unlock(to, word);
	space_drop(space, old);
	return 0;
}

uint32_t cluster_split(struct space *space, uint32_t cluster)
{
	uint32_t copy = cluster_new(space);
	slot_t *from = cluster_slots(space, cluster), *to = cluster_slots(space, copy);

	if (!copy)
		return SPACE_NO_CLUSTER;
	for (uint32_t i = 0; i < CLUSTER_SLOTS; i++) {
		desc_t word;

		if (!atomic_load_explicit(&from[i], memory_order_acquire))
			continue;
		if (!slot_share(space, &from[i], &word)) {
			cluster_put(space, copy);
			return SPACE_NO_CLUSTER;
		}
		if (word)
			atomic_store_explicit(&to[i], word, memory_order_release);
	}
	cluster_put(space, cluster);
	return copy;
}
