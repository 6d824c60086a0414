/* SPDX-License-Identifier: MIT */
/*
 * The moves of mappings (mremap) since the last time that no event was in flight.
 *
 * A thread queues its UNMAP a moment after the addresses are free. Another thread's mremap may have
 * moved a mapping there meanwhile, and its REMAP have been read first: then the UNMAP is about what
 * was there before, and what has moved there must be spared. Or it is what moved there that was
 * unmapped. The message does not say which; this finds out.
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
	bool sent; /* its own UNMAP has been read */
	bool gone; /* it has been unmapped since */
};

/* Most that are remembered: then the oldest is forgotten. */
#define MOVES 1024u
/* Most whose destination is not free yet (event_park). */
#define PARKED 32u

struct moved {
	struct remap items[MOVES], parked[PARKED];
	unsigned int count, parked_count;
	bool spared; /* some UNMAP was taken for one of what was there before */
};

/* It has been applied. */
void moved_note(struct attached *attached, const struct remap *remap);

/* The first of the mappings moved into [start, end), of those from number `first` on; or NULL. */
const struct remap *moved_into(const struct attached *attached, unsigned int first, uint64_t start,
			       uint64_t end);
/* mremap itself sends an UNMAP for where it moved from, after its REMAP: the number of the move
 * that sends this one, or the count of all if it is another's. */
unsigned int moved_sender(const struct attached *attached, uint64_t start, uint64_t end);
/* It sends but one, and that has been read. */
void moved_sent(struct attached *attached, unsigned int number);

/*
 * Of an UNMAP (of `length` bytes at `to`): true if a mapping that moved there before the UNMAP was
 * read is there no more. Then it has moved on, and its REMAP is in flight, or it is what was
 * unmapped; moved_forget then says the latter. May read smaps: slow.
 */
bool moved_find_unclear(struct attached *attached, const struct remap *unmap,
			struct remap *unclear);
void moved_forget(struct attached *attached, const struct remap *remap);

/* True if no event is in flight: nothing of this matters any more, and regions that were wrongly
 * spared are gone. */
bool moved_settle(struct attached *attached);

#endif
