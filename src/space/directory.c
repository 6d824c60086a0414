// SPDX-License-Identifier: MIT
#include "space/directory.h"

entry_t *directory_make(struct memory *memory, uint64_t address)
{
	struct slab *directories = &memory->space->directories;
	uint64_t page = address >> DIRECTORY_SHIFT >> ROOT_PAGE_SHIFT;
	entry_t *directory = directory_get(memory, address);
	uint32_t id, none = 0;

	if (directory)
		return directory;
	id = slab_take(directories);
	if (!id)
		return NULL;
	atomic_fetch_or_explicit(&memory->touched[page / 64], 1ull << page % 64,
				 memory_order_relaxed);
	if (!atomic_compare_exchange_strong(&memory->root[address >> DIRECTORY_SHIFT], &none, id))
		slab_give(directories, id); /* another thread was faster */
	return directory_get(memory, address);
}

uint32_t cluster_make(struct memory *memory, uint64_t address)
{
	uint32_t cluster = cluster_new(memory->space), there = SPACE_NO_CLUSTER;
	entry_t *directory = cluster ? directory_make(memory, address) : NULL;

	if (directory &&
	    atomic_compare_exchange_strong(&directory[entry_index(address)], &there, cluster))
		return cluster;
	if (cluster)
		cluster_put(memory->space, cluster); /* another thread was faster, or no room */
	return there;
}

uint32_t cluster_take_out(struct memory *memory, uint64_t address)
{
	entry_t *root = &memory->root[address >> DIRECTORY_SHIFT];
	entry_t *directory = directory_get(memory, address);
	uint32_t cluster = cluster_get(memory, address), id;

	if (!cluster)
		return SPACE_NO_CLUSTER;
	cluster_set(memory, address, SPACE_NO_CLUSTER);
	for (unsigned int i = 0; i < DIRECTORY_CLUSTERS; i++)
		if (atomic_load_explicit(&directory[i], memory_order_relaxed))
			return cluster;
	id = atomic_exchange(root, 0);
	slab_give(&memory->space->directories, id);
	return cluster;
}

uint64_t directory_next(const struct memory *memory, uint64_t entry)
{
	while (entry < ROOT_ENTRIES) {
		uint64_t page = entry >> ROOT_PAGE_SHIFT;
		uint64_t bits =
			atomic_load_explicit(&memory->touched[page / 64], memory_order_relaxed) >>
			page % 64;

		if (!bits) {
			entry = (page / 64 + 1) * 64 << ROOT_PAGE_SHIFT;
		} else if (!(bits & 1)) {
			entry = (page + 1) << ROOT_PAGE_SHIFT;
		} else if (atomic_load_explicit(&memory->root[entry], memory_order_relaxed)) {
			return entry;
		} else {
			entry++;
		}
	}
	return ROOT_ENTRIES;
}
