/* SPDX-License-Identifier: MIT */
/*
 * The virtual swap space: clusters of descriptors, the memories that bind them
 * to addresses, and the anchors behind pages that several descriptors share.
 * No I/O; no OS call beyond mmap and madvise.
 *
 *   struct memory (one address space)          struct space
 *   root[address >> 21] ──► cluster id ──────► table[id * 512 + (address >> 12 & 511)]
 *
 * Two array loads find a descriptor: no tree, no hash, no lock.
 *
 * A slot id is cluster id * 512 + index, never 0 (cluster 0 is not used). It
 * names a descriptor, not an address: object headers carry it.
 *
 * Locks
 *   - A descriptor changes by compare-and-swap; see descriptor.h.
 *   - What a memory's root points at (binding, splitting, unbinding a cluster)
 *     changes only under that memory's own lock, which the caller holds for
 *     writing (pager: memory lock). Clusters with more than one reference are
 *     never changed but for stored -> shared and for moves by the cleaner
 *     (the location of the same bytes); whoever wants to change a slot of one
 *     splits first.
 *   - The free lists of clusters and anchors have a mutex of their own.
 */
#ifndef SPACE_SPACE_H
#define SPACE_SPACE_H

#include <stddef.h>
#include "space/descriptor.h"

struct space;
struct memory;

#define SPACE_NO_CLUSTER 0u
/* A slot id with this bit names an anchor: headers of shared pages carry it. */
#define SLOT_ANCHOR (1ull << 40)

/* What becomes of the bytes behind a descriptor that is being given up. `word`
 * is unlocked and already out of every table. May be called with any space
 * lock held: it must not call back into the space. */
typedef void (*space_drop_fn)(void *argument, desc_t word);

/* Opens an empty space with room for `clusters` (each 2 MiB of pages, virtual
 * until used). 0 or -ENOMEM. `drop` is called for stored words that die. */
int space_open(struct space **space, uint32_t clusters, space_drop_fn drop, void *argument);
void space_close(struct space *space);

/* ---- clusters ---- */

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
/* True if all 512 slots are absent. */
bool cluster_is_empty(const struct space *space, uint32_t cluster);
/* The 512 descriptors. */
slot_t *cluster_slots(const struct space *space, uint32_t cluster);

/* ---- slots ---- */

static inline uint64_t slot_id(uint32_t cluster, uint32_t index)
{
	return (uint64_t)cluster * CLUSTER_SLOTS + index;
}
slot_t *space_slot(const struct space *space, uint64_t id);
/* True for a slot of a cluster in use. */
bool space_is_bound(struct space *space, uint64_t id);

/* One round of waiting for another thread: spins, then yields, then sleeps for 20 us at a time.
 * *rounds is 0 at first. */
void space_wait(unsigned int *rounds);

/* Locks a descriptor (waits as space_wait; holders wait for a device at most) and
 * returns the word as it was, without DESC_LOCK. */
desc_t slot_lock(slot_t *slot);
/* The same, but only if the word is still `expected`; false otherwise. */
bool slot_trylock(slot_t *slot, desc_t expected);
/* Stores `word` and releases. */
void slot_unlock(slot_t *slot, desc_t word);
/* Compare-and-swap; false when it was another word. */
bool slot_change(slot_t *slot, desc_t expected, desc_t word);

/* A word for another slot that stands for the same page as this one, which may become shared: to be
 * stored in a slot, or given to space_drop. Shadows are not copied. False: no room. */
bool slot_share(struct space *space, slot_t *slot, desc_t *copy);

/* `to` stands for the same swapped-out page as `from`, which may become shared; what `to` held
 * is dropped. 0 or -ENOMEM. */
int slot_duplicate(struct space *space, slot_t *from, slot_t *to);

/* ---- anchors ---- */

/* The descriptor behind an anchor: stored, zero, same or bad. Lock it as any
 * other to read its bytes. */
slot_t *anchor_slot(const struct space *space, uint32_t anchor);
uint32_t anchor_count(const struct space *space, uint32_t anchor);
/* Gives up one of its counts; the last one drops the bytes. */
void anchor_put(struct space *space, uint32_t anchor);
void anchor_get(struct space *space, uint32_t anchor);

/* Gives up what a word names (a location, an anchor's count). For a word that
 * has left its slot. */
void space_drop(struct space *space, desc_t word);

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

/* ---- memories ---- */

/* Highest address (exclusive) that a memory maps: 47 bits. */
#define MEMORY_END (1ull << 47)

int memory_open(struct memory **memory, struct space *space);
/* Gives up all its clusters. */
void memory_close(struct memory *memory);

/* The descriptor of an address for reading; NULL when no cluster is bound. */
slot_t *memory_look(const struct memory *memory, uint64_t address);
/* The descriptor of an address for changing: binds a new cluster or splits a
 * shared one first (caller holds the memory's lock for writing if either may be
 * needed: memory_must_bind says so). NULL: no room, or no address below MEMORY_END. */
slot_t *memory_bind(struct memory *memory, uint64_t address);
bool memory_must_bind(const struct memory *memory, uint64_t address);
/* The slot id of an address, 0 when no cluster is bound. */
uint64_t memory_slot_id(const struct memory *memory, uint64_t address);

/* All slots of [start, end) become absent, what they named is dropped, empty
 * clusters are unbound. Waits for locked slots. Lock held for writing. 0, or
 * -ENOMEM when part of a shared cluster was to be cleared and no cluster is left
 * for the copy: those slots stand as they were, all others are cleared. */
int memory_clear(struct memory *memory, uint64_t start, uint64_t end);
/* The descriptors of [from, from + length) go to `to`; the old ones become
 * absent. What was at the destination is dropped. Where both ends lie alike in
 * their 2 MiB, whole clusters move; else stored slots become anchors. The ranges
 * do not overlap. 0 or -ENOMEM, also for what ends beyond MEMORY_END. Lock held for writing. */
int memory_move(struct memory *memory, uint64_t from, uint64_t to, uint64_t length);
/* `child` (empty) shares every cluster of `parent`, but the ranges that
 * memory_clear takes away later. Lock of the parent held for writing. */
int memory_fork(const struct memory *parent, struct memory *child);

/* Next bound cluster at or after `address`: its id and the address it maps;
 * SPACE_NO_CLUSTER at the end. For the CLOCK hand and for walks. */
uint32_t memory_next(const struct memory *memory, uint64_t address, uint64_t *at);

/* ---- statistics and checks ---- */

struct space_statistics {
	uint64_t clusters;	 /* in use */
	uint64_t anchors;	 /* in use */
	uint64_t metadata_bytes; /* tables, roots, anchors: what is really resident */
};
void space_statistics(struct space *space, struct space_statistics *statistics);
/* How many slots of all clusters are in each state, a shared cluster counted once. Walks
 * them: some 300 ns a cluster. */
void space_count(struct space *space, uint64_t count[8]);
/* How many slots a memory has in each state, indexed by enum desc_state. */
void memory_count(const struct memory *memory, uint64_t count[8]);
/* Walks everything; aborts with a message on a broken invariant. */
void space_check(struct space *space);
/* Nothing changes meanwhile: calls for each word of a cluster or an anchor in use. */
void space_each_word(struct space *space, void (*found)(void *argument, desc_t word),
		     void *argument);

#endif
