/* SPDX-License-Identifier: MIT */
/*
 * The virtual swap space: clusters of descriptors, the memories that bind them
 * to addresses, and the anchors behind pages that several descriptors share.
 * No I/O; no OS call beyond mmap and madvise.
 *
 *   struct memory            directory, 2 MiB           cluster, 64 KiB
 *   root[address >> 21] ──►  [address >> 16 & 31] ──►   [address >> 12 & 15]
 *
 * Three array loads find a descriptor: no hash, no lock. Directories and
 * clusters take 128 bytes each (slab.h), so a page that lies alone in its 2 MiB
 * costs some 265 bytes of tables; where all are touched it is less than 9 a page.
 *
 * A slot id is cluster id * 16 + index, never 0 (cluster 0 is not used). It
 * names a descriptor, not an address: object headers carry it.
 *
 * Locks
 *   - A descriptor changes by compare-and-swap; see descriptor.h.
 *   - What a memory's directories name changes under that memory's own lock,
 *     which the caller holds (pager: memory lock). A cluster that comes where none
 *     is, and its directory, are published by compare-and-swap once they are
 *     zeros: for that the lock is held for reading. A cluster is split, moved or
 *     unbound, and a directory given back, under the lock held for writing: so
 *     who holds it for reading may keep a pointer to a slot.
 *   - Clusters with more than one reference are
 *     never changed but for stored -> shared and for moves by the cleaner
 *     (the location of the same bytes); whoever wants to change a slot of one
 *     splits first.
 *   - Each slab has a mutex, and the free list of anchors.
 */
#ifndef SPACE_SPACE_H
#define SPACE_SPACE_H

#include <stddef.h>
#include "space/anchor.h"
#include "space/check.h"
#include "space/cluster.h"
#include "space/descriptor.h"
#include "space/memory.h"
#include "space/slot.h"

struct space;

/* What becomes of the bytes behind a descriptor that is being given up. `word`
 * is unlocked and already out of every table. May be called with any space
 * lock held: it must not call back into the space. */
typedef void (*space_drop_fn)(void *argument, desc_t word);

/* Opens an empty space with room for `clusters` (each 64 KiB of pages, virtual
 * until used). 0 or -ENOMEM. `drop` is called for stored words that die. */
int space_open(struct space **space, uint32_t clusters, space_drop_fn drop, void *argument);
void space_close(struct space *space);

static inline uint64_t slot_id(uint32_t cluster, uint32_t index)
{
	return (uint64_t)cluster * CLUSTER_SLOTS + index;
}
/* Slots of the address's cluster from it on. */
static inline unsigned int cluster_rest(uint64_t address)
{
	return CLUSTER_SLOTS - (unsigned int)(address / PAGE_BYTES % CLUSTER_SLOTS);
}
slot_t *space_slot(const struct space *space, uint64_t id);
/* True for a slot of a cluster in use. */
bool space_is_bound(struct space *space, uint64_t id);

/* The descriptor that now holds the bytes which an object's header says belong
 * to slot `id` and which lie at `location`: the slot itself, or an anchor. NULL
 * when no descriptor does (dead bytes). Used by the cleaner. */
slot_t *space_find_holder(struct space *space, uint64_t id, desc_t location);

/* The id of a descriptor: a slot's, or an anchor's with SLOT_ANCHOR. */
uint64_t space_id(const struct space *space, const slot_t *slot);

typedef void (*space_holder_fn)(void *argument, slot_t *slot, desc_t word);
/*
 * Calls `found` for every anchor, and if `slots_too` for every slot, whose bytes
 * lie in `segment`: after a split or a move of slots an anchor may hold bytes
 * whose header names a slot that is gone. The word may change meanwhile: what
 * `found` does must be a compare-and-swap.
 */
void space_each_holder(struct space *space, uint32_t segment, bool slots_too, space_holder_fn found,
		       void *argument);

struct space_statistics {
	uint64_t clusters;	 /* in use */
	uint64_t anchors;	 /* in use */
	uint64_t metadata_bytes; /* tables, roots, anchors: what is really resident */
};
void space_statistics(struct space *space, struct space_statistics *statistics);
/* How many slots of all clusters are in each state, a shared cluster counted once. Walks
 * them: less than a ns a slot. */
void space_count(struct space *space, uint64_t count[8]);

#endif
