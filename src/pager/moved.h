/* SPDX-License-Identifier: MIT */
/*
 * The moves of mappings (mremap) since the last time that no event was in flight, and what their
 * REMAPs and other threads' UNMAPs mean.
 *
 * A thread queues its event a moment after the addresses are free. Another thread's mremap may have
 * moved a mapping there meanwhile, and its REMAP have been read first. So an event about addresses
 * that something has moved to may be about what was there before, or about what has moved there.
 * The message does not say which; the mappings and the page table do.
 *
 * Every event is applied when it is read, since its thread runs on and does the next thing; what
 * may have been misunderstood is not dropped but kept (limbo.h), until nothing is in flight. Where
 * no other thread can be at it, nothing is in doubt.
 *
 * Everything here under the memory lock, held for writing.
 */
#ifndef PAGER_MOVED_H
#define PAGER_MOVED_H

#include <stdbool.h>
#include <stdint.h>

struct attached;

/* A move of `length` bytes; addresses and length are multiples of the page. */
struct remap {
	uint64_t from, to, length;
	uint64_t source; /* where its slots were: `from`, or in limbo */
	bool sent;	 /* the UNMAP of all that it left has been read */
};

/* Most that are remembered: then the oldest is forgotten. */
#define MOVES 1024u

struct moved {
	struct remap items[MOVES];
	unsigned int count;
	uint64_t forgotten; /* so many came before items[0]: a move keeps its number */
	bool spared;	    /* some UNMAP was taken for one of what was there before */
};

/* Slots and regions follow a mapping that has moved. Nothing of it may be leaving. */
void moved_apply(struct attached *attached, const struct remap *remap);
/* What was unmapped is forgotten; not so what has moved there since and still stands. */
void moved_unmap(struct attached *attached, uint64_t start, uint64_t end);

/* The first of the mappings moved into [start, end); or NULL. */
const struct remap *moved_into(const struct attached *attached, uint64_t start, uint64_t end);

/* True if no event is in flight: nothing of this matters any more, and regions that were wrongly
 * spared are gone. */
bool moved_settle(struct attached *attached);

#endif
