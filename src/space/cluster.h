/* SPDX-License-Identifier: MIT */
/* Clusters: 16 descriptors, shared by fork until one is to change. */
#ifndef SPACE_CLUSTER_H
#define SPACE_CLUSTER_H

#include "space/descriptor.h"

struct space;

#define SPACE_NO_CLUSTER 0u
/* A slot id with this bit names an anchor: headers of shared pages carry it. */
#define SLOT_ANCHOR (1ull << 40)

/* A fresh cluster, all absent, one reference. SPACE_NO_CLUSTER if none is left. */
uint32_t cluster_new(struct space *space);

/* One reference more: a fork. */
void cluster_share(struct space *space, uint32_t cluster);

/* Gives up a reference. The last one drops every stored slot and frees the cluster. */
void cluster_put(struct space *space, uint32_t cluster);
uint32_t cluster_references(const struct space *space, uint32_t cluster);

/* A private copy of a shared cluster; takes over the caller's reference on it.
 * Stored slots become anchors in both; a leaving slot is leaving in both (settle
 * eviction batches before a fork). Shadows (locations of resident and leaving slots)
 * stay with the original only. Waits for locked slots. SPACE_NO_CLUSTER: no room. */
uint32_t cluster_split(struct space *space, uint32_t cluster);

/* True if all slots are absent. */
bool cluster_is_empty(const struct space *space, uint32_t cluster);

/* The CLUSTER_SLOTS descriptors. */
slot_t *cluster_slots(const struct space *space, uint32_t cluster);

/* A word for another slot that stands for the same page as this one, which may become shared: to be
 * stored in a slot, or given to space_drop. Shadows are not copied. False: no room. */
bool slot_share(struct space *space, slot_t *slot, desc_t *copy);

/* `to` stands for the same swapped-out page as `from`, which may become shared; what `to` held
 * is dropped. 0 or -ENOMEM. */
int slot_duplicate(struct space *space, slot_t *from, slot_t *to);

#endif
