// SPDX-License-Identifier: MIT
/*
 * Clusters: 512 slots in one page. Forked memories hold references on the same
 * cluster; the first that must change a slot takes a copy of its own. Only
 * then do the stored slots become anchors, so a fork itself touches no slot.
 */
#include "space/cluster.h"

#include <assert.h>
#include <errno.h>
#include "space/map.h"
#include "space/private.h"

uint32_t cluster_new(struct space *space)
{
	uint32_t id;

	pthread_mutex_lock(&space->lock);
	id = space->cluster_free;
	if (id)
		space->cluster_free = space->clusters[id].next;
	else if (space->clusters_made < space->cluster_limit)
		id = space->clusters_made++;
	if (id) {
		space->clusters_used++;
		atomic_store_explicit(&space->clusters[id].references, 1, memory_order_relaxed);
	}
	pthread_mutex_unlock(&space->lock);
	return id;
}

slot_t *cluster_slots(const struct space *space, uint32_t cluster)
{
	return &space->slots[(size_t)cluster * CLUSTER_SLOTS];
}

uint32_t cluster_references(const struct space *space, uint32_t cluster)
{
	return atomic_load_explicit(&space->clusters[cluster].references, memory_order_acquire);
}

void cluster_share(struct space *space, uint32_t cluster)
{
	uint32_t before = atomic_fetch_add_explicit(&space->clusters[cluster].references, 1,
						    memory_order_relaxed);

	assert(before);
	(void)before;
}

/* Every slot stays locked, the empty ones too, until all are zeros: who has found one before the
 * last reference went (libvswap's vswap_get) locks and unlocks it before or after, never in
 * between. */
static void cluster_free(struct space *space, uint32_t cluster)
{
	slot_t *slots = cluster_slots(space, cluster);

	for (uint32_t i = 0; i < CLUSTER_SLOTS; i++) {
		desc_t word = slot_lock(&slots[i]);

		atomic_store_explicit(&slots[i], DESC_ABSENT | DESC_LOCK, memory_order_relaxed);
		space_drop(space, word);
	}
	map_give_back(slots, CLUSTER_BYTES);
	pthread_mutex_lock(&space->lock);
	space->clusters[cluster].next = space->cluster_free;
	space->cluster_free = cluster;
	space->clusters_used--;
	pthread_mutex_unlock(&space->lock);
}

void cluster_put(struct space *space, uint32_t cluster)
{
	uint32_t before = atomic_fetch_sub_explicit(&space->clusters[cluster].references, 1,
						    memory_order_acq_rel);

	assert(before);
	if (before == 1)
		cluster_free(space, cluster);
}

bool cluster_is_empty(const struct space *space, uint32_t cluster)
{
	slot_t *slots = cluster_slots(space, cluster);

	for (uint32_t i = 0; i < CLUSTER_SLOTS; i++)
		if (atomic_load_explicit(&slots[i], memory_order_relaxed))
			return false;
	return true;
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
