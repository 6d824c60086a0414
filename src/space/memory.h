/* SPDX-License-Identifier: MIT */
/* Memories: what binds clusters to the addresses of one address space. */
#ifndef SPACE_MEMORY_H
#define SPACE_MEMORY_H

#include "space/cluster.h"

struct memory;
struct space;

/* Highest address (exclusive) that a memory maps: 47 bits. */
#define MEMORY_END (1ull << 47)

int memory_open(struct memory **memory, struct space *space);

/* Gives up all its clusters. */
void memory_close(struct memory *memory);

/* The descriptor of an address for reading; NULL when no cluster is bound. */
slot_t *memory_look(const struct memory *memory, uint64_t address);

/* The descriptor of an address for changing: binds a new cluster, or splits a
 * shared one first (then the memory's lock is held for writing). NULL: no room, or
 * no address below MEMORY_END. */
slot_t *memory_bind(struct memory *memory, uint64_t address);

/* There is no cluster, or it is shared. */
bool memory_must_bind(const struct memory *memory, uint64_t address);

/* The descriptors of up to `pages` pages from `address` on, for changing, as far as clusters are
 * there, or can be bound if `bind`, and are not shared. How many. Lock held for reading. */
unsigned int memory_run(struct memory *memory, uint64_t address, unsigned int pages, bool bind,
			slot_t **slots);

/* The slot id of an address, 0 when no cluster is bound. */
uint64_t memory_slot_id(const struct memory *memory, uint64_t address);

/* All slots of [start, end) become absent, what they named is dropped, empty
 * clusters are unbound. Waits for locked slots. Lock held for writing. 0, or
 * -ENOMEM when part of a shared cluster was to be cleared and no cluster is left
 * for the copy: those slots stand as they were, all others are cleared. */
int memory_clear(struct memory *memory, uint64_t start, uint64_t end);

/* The descriptors of [from, from + length) go to `to`; the old ones become
 * absent. What was at the destination is dropped. Where both ends lie alike in
 * their 64 KiB, whole clusters move; else stored slots become anchors. The ranges
 * do not overlap. 0 or -ENOMEM, also for what ends beyond MEMORY_END. Lock held for writing. */
int memory_move(struct memory *memory, uint64_t from, uint64_t to, uint64_t length);

/* `child` (empty) shares every cluster of `parent`, but the ranges that
 * memory_clear takes away later. Lock of the parent held for writing. 0, or
 * -ENOMEM: the child has some of them. */
int memory_fork(const struct memory *parent, struct memory *child);

/* Next bound cluster at or after `address`: its id and the address it maps;
 * SPACE_NO_CLUSTER at the end. For the CLOCK hand and for walks. */
uint32_t memory_next(const struct memory *memory, uint64_t address, uint64_t *at);

/* How many slots a memory has in each state, indexed by enum desc_state. */
void memory_count(const struct memory *memory, uint64_t count[8]);

#endif
