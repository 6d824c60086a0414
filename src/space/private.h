/* SPDX-License-Identifier: MIT */
/*
 * What the files of this folder share.
 *
 *   clusters    |128 bytes|128 bytes| ...    a slab: 16 slots a cluster
 *   references  |  refs   |  refs   | ...    4 bytes a cluster
 *   directories |128 bytes|128 bytes| ...    a slab: 32 cluster ids a directory
 *   anchors     | word  | word  | ...        12 bytes an anchor, sparse
 *   counts      | count | count | ...
 *
 * Free anchors are chained through an array that they own anyway; ids from
 * `anchors_made` on were never used and are not in the chain.
 */
#ifndef SPACE_PRIVATE_H
#define SPACE_PRIVATE_H

#include <assert.h>
#include <pthread.h>
#include "space/slab.h"
#include "space/space.h"

_Static_assert(CLUSTER_SLOTS * sizeof(slot_t) == SLAB_PIECE_BYTES, "a cluster is a piece");

struct space {
	struct slab clusters, directories;
	_Atomic uint32_t *references; /* of each cluster; 0: free */
	slot_t *anchors;	      /* free: the next free one */
	_Atomic uint32_t *counts;     /* 0: free */
	uint64_t anchor_limit;

	pthread_mutex_t lock; /* of the free list, of `memories` and of the figures below */
	uint32_t anchor_free, anchors_made, anchors_used;
	struct memory *memories;

	space_drop_fn drop;
	void *drop_argument;
};

/* A directory holds the ids of the clusters of 2 MiB of addresses; 0: none. */
#define DIRECTORY_CLUSTERS 32u
#define DIRECTORY_SHIFT	   21
typedef _Atomic uint32_t entry_t;

_Static_assert(DIRECTORY_CLUSTERS * sizeof(entry_t) == SLAB_PIECE_BYTES, "a directory is a piece");

/* A root page holds 1024 directory ids: 2 GiB of addresses. */
#define ROOT_ENTRIES	(MEMORY_END >> DIRECTORY_SHIFT)
#define ROOT_PAGE_SHIFT 10
#define ROOT_PAGES	(ROOT_ENTRIES >> ROOT_PAGE_SHIFT)

struct memory {
	struct space *space;
	struct memory *previous, *next; /* in the space's list */
	entry_t *root;
	/* One bit a root page that was ever written: walks skip the rest of the 256 MiB. */
	_Atomic uint64_t touched[ROOT_PAGES / 64];
};

/* Every slot of a page without clusters: who has found one before the last reference went
 * (libvswap's vswap_get) locks and unlocks it before the page is given back, or after. */
void cluster_lock_page(void *page);

/* References on a cluster or an anchor: one more. */
static inline void references_add(_Atomic uint32_t *references)
{
	uint32_t before = atomic_fetch_add_explicit(references, 1, memory_order_relaxed);

	assert(before);
	(void)before;
}

/* One fewer; true: that was the last. */
static inline bool references_take(_Atomic uint32_t *references)
{
	uint32_t before = atomic_fetch_sub_explicit(references, 1, memory_order_acq_rel);

	assert(before);
	return before == 1;
}

/* Slots of one cluster become absent, and what they stood for is dropped. */
void slots_drop(struct space *space, slot_t *slots, uint32_t count);
bool slots_are_absent(const slot_t *slots, uint32_t count);

/* The next cluster in use behind `id`, 0 for the first; 0: there is none. */
uint32_t cluster_after(const struct space *space, uint32_t id);

/* A new anchor with that word and count; 0: none left. */
uint32_t anchor_new(struct space *space, desc_t word, uint32_t count);

#endif
