/* SPDX-License-Identifier: MIT */
/*
 * Which cluster maps an address: a memory's root names directories, which name clusters. Locks:
 * space.h. Addresses are below MEMORY_END.
 */
#ifndef SPACE_DIRECTORY_H
#define SPACE_DIRECTORY_H

#include "space/private.h"

static inline unsigned int entry_index(uint64_t address)
{
	return (unsigned int)(address >> CLUSTER_SHIFT) % DIRECTORY_CLUSTERS;
}

/* The directory of an address, or NULL. */
static inline entry_t *directory_get(const struct memory *memory, uint64_t address)
{
	uint32_t id = atomic_load_explicit(&memory->root[address >> DIRECTORY_SHIFT],
					   memory_order_acquire);

	return id ? slab_at(&memory->space->directories, id) : NULL;
}

static inline uint32_t cluster_get(const struct memory *memory, uint64_t address)
{
	entry_t *directory = directory_get(memory, address);

	return directory ? atomic_load_explicit(&directory[entry_index(address)],
						memory_order_acquire)
			 : SPACE_NO_CLUSTER;
}

/* The directory is there. */
static inline void cluster_set(struct memory *memory, uint64_t address, uint32_t cluster)
{
	atomic_store_explicit(&directory_get(memory, address)[entry_index(address)], cluster,
			      memory_order_release);
}

/* The directory of an address, made if need be. NULL: no room. Its last cluster takes it away
 * again, so one must be put there. */
entry_t *directory_make(struct memory *memory, uint64_t address);
/* The first root entry from `entry` on that names a directory; ROOT_ENTRIES: there is none. */
uint64_t directory_next(const struct memory *memory, uint64_t entry);

/* The cluster of the address, made if need be. SPACE_NO_CLUSTER: no room. */
uint32_t cluster_make(struct memory *memory, uint64_t address);
/* Takes the cluster out of its directory, which goes with its last one. Lock held for writing. */
uint32_t cluster_take_out(struct memory *memory, uint64_t address);

#endif
