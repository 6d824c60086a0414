// SPDX-License-Identifier: MIT
#include "space/memory.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include "base/page.h"
#include "space/directory.h"
#include "space/map.h"

#define CLUSTER_MAPS  (1ull << CLUSTER_SHIFT) /* bytes of addresses */
#define CLUSTER_INNER (CLUSTER_MAPS - 1)

static uint32_t slot_index(uint64_t address)
{
	return (uint32_t)(address / PAGE_BYTES) % CLUSTER_SLOTS;
}

int memory_open(struct memory **out, struct space *space)
{
	struct memory *memory = calloc(1, sizeof(*memory));

	if (!memory)
		return -ENOMEM;
	memory->space = space;
	memory->root = map_sparse(ROOT_ENTRIES * sizeof(*memory->root));
	if (!memory->root) {
		free(memory);
		return -ENOMEM;
	}
	pthread_mutex_lock(&space->lock);
	memory->next = space->memories;
	if (memory->next)
		memory->next->previous = memory;
	space->memories = memory;
	pthread_mutex_unlock(&space->lock);
	*out = memory;
	return 0;
}

void memory_close(struct memory *memory)
{
	struct space *space = memory->space;
	uint64_t at = 0;
	uint32_t cluster;

	while ((cluster = memory_next(memory, at, &at)) != SPACE_NO_CLUSTER)
		cluster_put(space, cluster_take_out(memory, at));
	pthread_mutex_lock(&space->lock);
	if (memory->previous)
		memory->previous->next = memory->next;
	else
		space->memories = memory->next;
	if (memory->next)
		memory->next->previous = memory->previous;
	pthread_mutex_unlock(&space->lock);
	map_remove(memory->root, ROOT_ENTRIES * sizeof(*memory->root));
	free(memory);
}

slot_t *memory_look(const struct memory *memory, uint64_t address)
{
	uint32_t cluster;

	if (address >= MEMORY_END)
		return NULL;
	cluster = cluster_get(memory, address);
	return cluster ? &cluster_slots(memory->space, cluster)[slot_index(address)] : NULL;
}

uint64_t memory_slot_id(const struct memory *memory, uint64_t address)
{
	uint32_t cluster = address < MEMORY_END ? cluster_get(memory, address) : 0;

	return cluster ? slot_id(cluster, slot_index(address)) : 0;
}

bool memory_must_bind(const struct memory *memory, uint64_t address)
{
	uint32_t cluster = address < MEMORY_END ? cluster_get(memory, address) : 0;

	return !cluster || cluster_references(memory->space, cluster) > 1;
}

slot_t *memory_bind(struct memory *memory, uint64_t address)
{
	uint32_t cluster;

	if (address >= MEMORY_END)
		return NULL;
	cluster = cluster_get(memory, address);
	if (!cluster) {
		cluster = cluster_make(memory, address);
	} else if (cluster_references(memory->space, cluster) > 1) {
		cluster = cluster_split(memory->space, cluster);
		if (cluster)
			cluster_set(memory, address, cluster);
	}
	return cluster ? &cluster_slots(memory->space, cluster)[slot_index(address)] : NULL;
}

unsigned int memory_run(struct memory *memory, uint64_t address, unsigned int pages, bool bind,
			slot_t **slots)
{
	unsigned int count = 0;

	while (count < pages) {
		uint64_t at = address + (uint64_t)count * PAGE_BYTES;
		slot_t *slot = memory_look(memory, at);

		if (slot ? memory_must_bind(memory, at)
			 : !bind || !(slot = memory_bind(memory, at)))
			break;
		do
			slots[count++] = slot++;
		while (count < pages && slot_index(address + (uint64_t)count * PAGE_BYTES));
	}
	return count;
}

uint32_t memory_next(const struct memory *memory, uint64_t address, uint64_t *at)
{
	uint64_t entry = address >> DIRECTORY_SHIFT;

	for (; (entry = directory_next(memory, entry)) < ROOT_ENTRIES; entry++) {
		uint64_t base = entry << DIRECTORY_SHIFT;
		const entry_t *directory = directory_get(memory, base);
		unsigned int i = base > address ? 0 : entry_index(address);

		for (; i < DIRECTORY_CLUSTERS; i++) {
			uint32_t cluster =
				atomic_load_explicit(&directory[i], memory_order_acquire);

			if (!cluster)
				continue;
			*at = base + ((uint64_t)i << CLUSTER_SHIFT);
			return cluster;
		}
	}
	return SPACE_NO_CLUSTER;
}

/* The first address of [address, end) whose slot is not absent; `end`: there is none. */
static uint64_t next_slot(const struct memory *memory, uint64_t address, uint64_t end)
{
	uint64_t base;
	uint32_t cluster;

	for (; address < end && (cluster = memory_next(memory, address, &base));
	     address = base + CLUSTER_MAPS) {
		const slot_t *slots = cluster_slots(memory->space, cluster);

		for (uint32_t i = address > base ? slot_index(address) : 0; i < CLUSTER_SLOTS;
		     i++) {
			uint64_t at = base + i * PAGE_BYTES;

			if (atomic_load_explicit(&slots[i], memory_order_relaxed))
				return at < end ? at : end;
		}
	}
	return end;
}

static void unbind(struct memory *memory, uint64_t address)
{
	uint32_t cluster = cluster_take_out(memory, address);

	if (cluster)
		cluster_put(memory->space, cluster);
}

static void unbind_if_empty(struct memory *memory, uint64_t address)
{
	uint32_t cluster = cluster_get(memory, address);

	if (cluster && cluster_is_empty(memory->space, cluster))
		unbind(memory, address);
}

/* Clears [start, end), which lies in one cluster and does not fill it. */
static int clear_part(struct memory *memory, uint64_t start, uint64_t end)
{
	uint32_t count = (uint32_t)((end - start) / PAGE_BYTES);
	slot_t *slots = memory_look(memory, start);

	if (!slots || slots_are_absent(slots, count))
		return 0;
	slots = memory_bind(memory, start);
	if (!slots)
		return -ENOMEM;
	slots_drop(memory->space, slots, count);
	unbind_if_empty(memory, start);
	return 0;
}

int memory_clear(struct memory *memory, uint64_t start, uint64_t end)
{
	uint64_t at = start & ~CLUSTER_INNER;
	int error = 0;

	assert(!(start % PAGE_BYTES) && !(end % PAGE_BYTES));
	while (at < end && memory_next(memory, at, &at) && at < end) {
		uint64_t next = at + CLUSTER_MAPS;
		uint64_t from = at > start ? at : start, to = next < end ? next : end;

		if (to - from == CLUSTER_MAPS)
			unbind(memory, at);
		else if (clear_part(memory, from, to))
			error = -ENOMEM;
		at = next;
	}
	return error;
}

/*
 * A stored object's header names the slot that it was put for. A word that goes
 * to another slot therefore goes through an anchor, where the cleaner finds it.
 */
static bool slot_move(struct space *space, slot_t *from, slot_t *to)
{
	desc_t word = slot_lock(from), moved = word;
	uint32_t anchor;

	if (desc_state(word) == DESC_STORED) {
		anchor = anchor_new(space, desc_make_stored(word), 1);
		if (!anchor) {
			slot_unlock(from, word);
			return false;
		}
		moved = desc_make_shared(anchor) | (word & (DESC_REFERENCED | DESC_AGE_MASK));
	} else if (desc_has_location(word)) {
		moved = word & ~desc_location(~0ull);
	}
	atomic_store_explicit(to, moved, memory_order_release);
	slot_unlock(from, 0);
	if (desc_state(word) == DESC_RESIDENT || desc_state(word) == DESC_LEAVING)
		space_drop(space, word);
	return true;
}

/* Makes sure that moving [from, from + length) slot by slot cannot fail for want of clusters. */
static int prepare_move(struct memory *memory, uint64_t from, uint64_t to, uint64_t length)
{
	uint64_t end = from + length, at = from;

	for (; (at = next_slot(memory, at, end)) < end; at += PAGE_BYTES)
		if (!memory_bind(memory, at) || !memory_bind(memory, at - from + to))
			return -ENOMEM;
	return 0;
}

/* Those of [start, end) that have no slot left. */
static void unbind_empty(struct memory *memory, uint64_t start, uint64_t end)
{
	for (uint64_t at = start; memory_next(memory, at, &at) && at < end; at += CLUSTER_MAPS)
		unbind_if_empty(memory, at);
}

static int move_slots(struct memory *memory, uint64_t from, uint64_t to, uint64_t length)
{
	int error = prepare_move(memory, from, to, length);
	uint64_t end = from + length, at = from;

	for (; !error && (at = next_slot(memory, at, end)) < end; at += PAGE_BYTES)
		if (!slot_move(memory->space, memory_look(memory, at),
			       memory_look(memory, at - from + to)))
			error = -ENOMEM;
	unbind_empty(memory, from, end);
	unbind_empty(memory, to, to + length);
	return error;
}

/* Both addresses are the beginning of a cluster. */
static int move_cluster(struct memory *memory, uint64_t from, uint64_t to)
{
	if (!directory_make(memory, to))
		return -ENOMEM;
	cluster_set(memory, to, cluster_get(memory, from));
	cluster_take_out(memory, from);
	return 0;
}

/* Both ends lie alike in their clusters: those that are moved as a whole move themselves. */
static int move_alike(struct memory *memory, uint64_t from, uint64_t to, uint64_t length)
{
	uint64_t end = from + length, at = from;
	int error = 0;

	for (; !error && at < end && memory_next(memory, at, &at) && at < end; at += CLUSTER_MAPS) {
		uint64_t next = at + CLUSTER_MAPS;
		uint64_t start = at > from ? at : from, stop = next < end ? next : end;

		if (stop - start == CLUSTER_MAPS)
			error = move_cluster(memory, at, at - from + to);
		else
			error = move_slots(memory, start, start - from + to, stop - start);
	}
	return error;
}

int memory_move(struct memory *memory, uint64_t from, uint64_t to, uint64_t length)
{
	bool beyond = from + length > MEMORY_END || to + length > MEMORY_END;
	int error = beyond ? -ENOMEM : memory_clear(memory, to, to + length);

	assert(from + length <= to || to + length <= from);
	if (error)
		return error;
	return (from ^ to) & CLUSTER_INNER ? move_slots(memory, from, to, length)
					   : move_alike(memory, from, to, length);
}

int memory_fork(const struct memory *parent, struct memory *child)
{
	uint64_t entry = 0;

	for (; (entry = directory_next(parent, entry)) < ROOT_ENTRIES; entry++) {
		entry_t *from = directory_get(parent, entry << DIRECTORY_SHIFT);
		entry_t *to = directory_make(child, entry << DIRECTORY_SHIFT);

		if (!to)
			return -ENOMEM;
		for (unsigned int i = 0; i < DIRECTORY_CLUSTERS; i++) {
			uint32_t cluster = atomic_load_explicit(&from[i], memory_order_relaxed);

			if (!cluster)
				continue;
			cluster_share(parent->space, cluster);
			atomic_store_explicit(&to[i], cluster, memory_order_release);
		}
	}
	return 0;
}

void memory_count(const struct memory *memory, uint64_t count[8])
{
	uint64_t at = 0;
	uint32_t cluster;

	for (int i = 0; i < 8; i++)
		count[i] = 0;
	for (; (cluster = memory_next(memory, at, &at)); at += CLUSTER_MAPS) {
		slot_t *slots = cluster_slots(memory->space, cluster);

		for (uint32_t i = 0; i < CLUSTER_SLOTS; i++)
			count[desc_state(atomic_load_explicit(&slots[i], memory_order_relaxed))]++;
	}
}
