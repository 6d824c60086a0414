// SPDX-License-Identifier: MIT
#include "space/memory.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include "base/page.h"
#include "space/map.h"
#include "space/private.h"

#define CLUSTER_MAPS  (1ull << CLUSTER_SHIFT) /* bytes of addresses */
#define CLUSTER_INNER (CLUSTER_MAPS - 1)

static uint32_t slot_index(uint64_t address)
{
	return (uint32_t)(address / PAGE_BYTES) % CLUSTER_SLOTS;
}

static uint32_t root_get(const struct memory *memory, uint64_t address)
{
	return atomic_load_explicit(&memory->root[address >> CLUSTER_SHIFT], memory_order_acquire);
}

static void root_set(struct memory *memory, uint64_t address, uint32_t cluster)
{
	uint64_t page = address >> CLUSTER_SHIFT >> ROOT_PAGE_SHIFT;

	atomic_fetch_or_explicit(&memory->touched[page / 64], 1ull << page % 64,
				 memory_order_relaxed);
	atomic_store_explicit(&memory->root[address >> CLUSTER_SHIFT], cluster,
			      memory_order_release);
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

	while ((cluster = memory_next(memory, at, &at)) != SPACE_NO_CLUSTER) {
		root_set(memory, at, SPACE_NO_CLUSTER);
		cluster_put(space, cluster);
	}
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
	cluster = root_get(memory, address);
	return cluster ? &cluster_slots(memory->space, cluster)[slot_index(address)] : NULL;
}

uint64_t memory_slot_id(const struct memory *memory, uint64_t address)
{
	uint32_t cluster = address < MEMORY_END ? root_get(memory, address) : 0;

	return cluster ? slot_id(cluster, slot_index(address)) : 0;
}

bool memory_must_bind(const struct memory *memory, uint64_t address)
{
	uint32_t cluster = address < MEMORY_END ? root_get(memory, address) : 0;

	return !cluster || cluster_references(memory->space, cluster) > 1;
}

slot_t *memory_bind(struct memory *memory, uint64_t address)
{
	uint32_t cluster;

	if (address >= MEMORY_END)
		return NULL;
	cluster = root_get(memory, address);
	if (!cluster || cluster_references(memory->space, cluster) > 1) {
		cluster = cluster ? cluster_split(memory->space, cluster)
				  : cluster_new(memory->space);
		if (!cluster)
			return NULL;
		root_set(memory, address, cluster);
	}
	return &cluster_slots(memory->space, cluster)[slot_index(address)];
}

uint32_t memory_next(const struct memory *memory, uint64_t address, uint64_t *at)
{
	uint64_t entry = address >> CLUSTER_SHIFT;

	while (entry < ROOT_ENTRIES) {
		uint64_t page = entry >> ROOT_PAGE_SHIFT;
		uint64_t bits =
			atomic_load_explicit(&memory->touched[page / 64], memory_order_relaxed) >>
			page % 64;

		if (!bits) {
			entry = (page / 64 + 1) * 64 << ROOT_PAGE_SHIFT;
		} else if (!(bits & 1)) {
			entry = (page + 1) << ROOT_PAGE_SHIFT;
		} else {
			uint32_t cluster =
				atomic_load_explicit(&memory->root[entry], memory_order_acquire);

			if (cluster) {
				*at = entry << CLUSTER_SHIFT;
				return cluster;
			}
			entry++;
		}
	}
	return SPACE_NO_CLUSTER;
}

static void unbind(struct memory *memory, uint64_t address)
{
	uint32_t cluster = root_get(memory, address);

	if (cluster) {
		root_set(memory, address, SPACE_NO_CLUSTER);
		cluster_put(memory->space, cluster);
	}
}

static void unbind_if_empty(struct memory *memory, uint64_t address)
{
	uint32_t cluster = root_get(memory, address);

	if (cluster && cluster_is_empty(memory->space, cluster))
		unbind(memory, address);
}

static bool all_absent(slot_t *slots, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (atomic_load_explicit(&slots[i], memory_order_relaxed))
			return false;
	return true;
}

/* Clears [start, end), which lies in one cluster and does not fill it. */
static int clear_part(struct memory *memory, uint64_t start, uint64_t end)
{
	uint32_t count = (uint32_t)((end - start) / PAGE_BYTES);
	slot_t *slots = memory_look(memory, start);

	if (!slots || all_absent(slots, count))
		return 0;
	slots = memory_bind(memory, start);
	if (!slots)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		desc_t word;

		if (!atomic_load_explicit(&slots[i], memory_order_relaxed))
			continue;
		word = slot_lock(&slots[i]);
		slot_unlock(&slots[i], 0);
		space_drop(memory->space, word);
	}
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
	for (uint64_t done = 0; done < length; done += PAGE_BYTES) {
		slot_t *slot = memory_look(memory, from + done);

		if (!slot || !atomic_load_explicit(slot, memory_order_relaxed))
			continue;
		if (!memory_bind(memory, from + done) || !memory_bind(memory, to + done))
			return -ENOMEM;
	}
	return 0;
}

static int move_slots(struct memory *memory, uint64_t from, uint64_t to, uint64_t length)
{
	int error = prepare_move(memory, from, to, length);

	for (uint64_t done = 0; !error && done < length; done += PAGE_BYTES) {
		slot_t *slot = memory_look(memory, from + done);

		if (!slot || !atomic_load_explicit(slot, memory_order_relaxed))
			continue;
		if (!slot_move(memory->space, slot, memory_look(memory, to + done)))
			error = -ENOMEM;
	}
	for (uint64_t done = 0; done < length; done += PAGE_BYTES) {
		if (done && (from + done) & CLUSTER_INNER && (to + done) & CLUSTER_INNER)
			continue;
		unbind_if_empty(memory, from + done);
		unbind_if_empty(memory, to + done);
	}
	return error;
}

int memory_move(struct memory *memory, uint64_t from, uint64_t to, uint64_t length)
{
	bool beyond = from + length > MEMORY_END || to + length > MEMORY_END;
	int error = beyond ? -ENOMEM : memory_clear(memory, to, to + length);
	uint64_t done = 0;

	assert(from + length <= to || to + length <= from);
	while (!error && done < length) {
		uint64_t room = CLUSTER_MAPS - ((from + done) & CLUSTER_INNER);
		uint64_t step = length - done;

		if (!((from ^ to) & CLUSTER_INNER) && step > room)
			step = room;
		if (!((from ^ to) & CLUSTER_INNER) && step == CLUSTER_MAPS) {
			uint32_t cluster = root_get(memory, from + done);

			/* Both ends are aligned alike: the cluster itself moves. */
			if (cluster) {
				root_set(memory, from + done, SPACE_NO_CLUSTER);
				root_set(memory, to + done, cluster);
			}
		} else {
			error = move_slots(memory, from + done, to + done, step);
		}
		done += step;
	}
	return error;
}

int memory_fork(const struct memory *parent, struct memory *child)
{
	uint64_t at = 0;
	uint32_t cluster;

	for (; (cluster = memory_next(parent, at, &at)); at += CLUSTER_MAPS) {
		cluster_share(parent->space, cluster);
		root_set(child, at, cluster);
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
