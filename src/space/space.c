// SPDX-License-Identifier: MIT
#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include "base/page.h"
#include "space/map.h"
#include "space/private.h"

/* Each holds a cluster at least, but forks share clusters and have directories of their own. */
#define FORKED_DIRECTORIES 1024u

/* Anchors are never more than the slots that name them. */
static uint64_t anchor_limit(uint32_t clusters)
{
	uint64_t slots = (uint64_t)clusters * CLUSTER_SLOTS + 1;

	return slots < UINT32_MAX ? slots : UINT32_MAX;
}

static size_t references_bytes(const struct space *space)
{
	return slab_id_limit(&space->clusters) * sizeof(*space->references);
}

static slot_t *all_slots(const struct space *space)
{
	return slab_at(&space->clusters, 0);
}

static uint64_t slot_limit(const struct space *space)
{
	return slab_id_limit(&space->clusters) * CLUSTER_SLOTS;
}

int space_open(struct space **out, uint32_t clusters, space_drop_fn drop, void *argument)
{
	struct space *space = calloc(1, sizeof(*space));
	int error;

	if (!space)
		return -ENOMEM;
	space->anchor_limit = anchor_limit(clusters);
	space->anchors_made = 1;
	space->drop = drop;
	space->drop_argument = argument;
	pthread_mutex_init(&space->lock, NULL);
	error = slab_open(&space->clusters, clusters, cluster_lock_page);
	error |= slab_open(&space->directories, clusters + FORKED_DIRECTORIES, NULL);
	space->references = map_sparse(references_bytes(space));
	space->anchors = map_sparse(space->anchor_limit * sizeof(*space->anchors));
	space->counts = map_sparse(space->anchor_limit * sizeof(*space->counts));
	if (error || !space->references || !space->anchors || !space->counts) {
		space_close(space);
		return -ENOMEM;
	}
	*out = space;
	return 0;
}

void space_close(struct space *space)
{
	if (!space)
		return;
	map_remove(space->references, references_bytes(space));
	slab_close(&space->clusters);
	slab_close(&space->directories);
	map_remove(space->anchors, space->anchor_limit * sizeof(*space->anchors));
	map_remove(space->counts, space->anchor_limit * sizeof(*space->counts));
	pthread_mutex_destroy(&space->lock);
	free(space);
}

slot_t *space_slot(const struct space *space, uint64_t id)
{
	if (id & SLOT_ANCHOR)
		return &space->anchors[id & ~SLOT_ANCHOR];
	return &all_slots(space)[id];
}

bool space_is_bound(struct space *space, uint64_t id)
{
	return id < slot_limit(space) && cluster_references(space, (uint32_t)(id / CLUSTER_SLOTS));
}

uint64_t space_id(const struct space *space, const slot_t *slot)
{
	if (slot >= space->anchors && slot < space->anchors + space->anchor_limit)
		return SLOT_ANCHOR | (uint64_t)(slot - space->anchors);
	return (uint64_t)(slot - all_slots(space));
}

slot_t *space_find_holder(struct space *space, uint64_t id, desc_t location)
{
	slot_t *slot;
	desc_t word;

	if (id & SLOT_ANCHOR) {
		if ((id & ~SLOT_ANCHOR) >= space->anchor_limit)
			return NULL;
	} else if (id >= slot_limit(space)) {
		return NULL;
	}
	slot = space_slot(space, id);
	word = atomic_load_explicit(slot, memory_order_acquire);
	if (desc_state(word) == DESC_SHARED) {
		slot = anchor_slot(space, desc_anchor(word));
		word = atomic_load_explicit(slot, memory_order_acquire);
	}
	if (!desc_has_location(word) || desc_location(word) != desc_location(location))
		return NULL;
	return slot;
}

static void each_holder(slot_t *slots, uint64_t count, uint32_t segment, space_holder_fn found,
			void *argument)
{
	for (uint64_t i = 0; i < count; i++) {
		desc_t word = atomic_load_explicit(&slots[i], memory_order_acquire);

		if (desc_has_location(word) && desc_segment(word) == segment)
			found(argument, &slots[i], word);
	}
}

void space_each_holder(struct space *space, uint32_t segment, bool slots_too, space_holder_fn found,
		       void *argument)
{
	uint32_t anchors, id = 0;

	pthread_mutex_lock(&space->lock);
	anchors = space->anchors_made;
	pthread_mutex_unlock(&space->lock);
	each_holder(space->anchors, anchors, segment, found, argument);
	while (slots_too && (id = cluster_after(space, id)))
		each_holder(cluster_slots(space, id), CLUSTER_SLOTS, segment, found, argument);
}

static uint64_t pages(uint64_t bytes)
{
	return (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

void space_statistics(struct space *space, struct space_statistics *statistics)
{
	struct slab_usage clusters = slab_usage(&space->clusters);
	uint64_t bytes = clusters.bytes + slab_usage(&space->directories).bytes;

	if (slab_end(&space->clusters) > SLAB_FIRST)
		bytes += pages(slab_end(&space->clusters) * sizeof(*space->references));
	statistics->clusters = clusters.pieces;
	pthread_mutex_lock(&space->lock);
	statistics->anchors = space->anchors_used;
	if (space->anchors_made > 1)
		bytes += pages(space->anchors_made * sizeof(*space->anchors)) +
			 pages(space->anchors_made * sizeof(*space->counts));
	for (struct memory *memory = space->memories; memory; memory = memory->next) {
		bytes += pages(sizeof(*memory));
		for (size_t i = 0; i < ROOT_PAGES / 64; i++)
			bytes += PAGE_BYTES * (uint64_t)__builtin_popcountll(memory->touched[i]);
	}
	pthread_mutex_unlock(&space->lock);
	statistics->metadata_bytes = bytes + sizeof(*space);
}

void space_count(struct space *space, uint64_t count[8])
{
	uint32_t id = 0;

	for (int i = 0; i < 8; i++)
		count[i] = 0;
	while ((id = cluster_after(space, id))) {
		slot_t *slots = cluster_slots(space, id);

		for (uint32_t i = 0; i < CLUSTER_SLOTS; i++)
			count[desc_state(atomic_load_explicit(&slots[i], memory_order_relaxed))]++;
	}
}
