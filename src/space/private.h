/* SPDX-License-Identifier: MIT */
/*
 * What the files of this folder share.
 *
 *   slots    | 4 KiB | 4 KiB | 4 KiB | ...    one page a cluster, sparse
 *   clusters |refs,nx|refs,nx|refs,nx| ...    8 bytes a cluster
 *   anchors  | word  | word  | ...            12 bytes an anchor, sparse
 *   counts   | count | count | ...
 *
 * Free clusters and free anchors are chained through arrays that they own
 * anyway; ids from `*_made` on were never used and are not in a chain.
 */
#ifndef SPACE_PRIVATE_H
#define SPACE_PRIVATE_H

#include <pthread.h>
#include "space/space.h"

#define CLUSTER_BYTES ((size_t)CLUSTER_SLOTS * sizeof(desc_t))

struct cluster {
	_Atomic uint32_t references; /* 0: free */
	uint32_t next;		     /* free: the next free one */
};

struct space {
	slot_t *slots;
	struct cluster *clusters;
	slot_t *anchors;	  /* free: the next free one */
	_Atomic uint32_t *counts; /* 0: free */
	uint32_t cluster_limit;	  /* ids are below it */
	uint64_t anchor_limit;

	pthread_mutex_t lock; /* of the free lists, of `memories` and of the figures below */
	uint32_t cluster_free, clusters_made, clusters_used;
	uint32_t anchor_free, anchors_made, anchors_used;
	struct memory *memories;

	space_drop_fn drop;
	void *drop_argument;
};

/* A root page holds 1024 cluster ids: 2 GiB of addresses. */
#define ROOT_ENTRIES	(MEMORY_END >> CLUSTER_SHIFT)
#define ROOT_PAGE_SHIFT 10
#define ROOT_PAGES	(ROOT_ENTRIES >> ROOT_PAGE_SHIFT)

struct memory {
	struct space *space;
	struct memory *previous, *next; /* in the space's list */
	_Atomic uint32_t *root;
	/* One bit a root page that was ever written: walks skip the rest of the 256 MiB. */
	_Atomic uint64_t touched[ROOT_PAGES / 64];
};

/* A new anchor with that word and count; 0: none left. */
uint32_t anchor_new(struct space *space, desc_t word, uint32_t count);

#endif
