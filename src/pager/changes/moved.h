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
#ifndef PAGER_CHANGES_MOVED_H
#define PAGER_CHANGES_MOVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct attached;
struct remap;

/*
 * Slots and regions of a newborn, now at `slots`, go from `from` to `to`, as its parent's move
 * says. That may be wrong: the child has an event in flight, and may have made the same move
 * itself. Its own REMAP to there shows it, and takes this back.
 */
void moved_guess(struct attached *child, const struct remap *remap, uint64_t slots);
/* Slots and regions follow a mapping that has moved. Nothing of it may be leaving. */
void moved_apply(struct attached *attached, const struct remap *remap);
/* What was unmapped is forgotten; not so what has moved there since and still stands. */
void moved_unmap(struct attached *attached, uint64_t start, uint64_t end);

/* An event has been applied, and the first `older` items of limbo were there before it: where
 * events come in the order of what happened, theirs would have come by now. */
void moved_drop_older(struct attached *attached, size_t older);

/* True: nothing of this matters any more, and regions that were wrongly spared are gone. Where
 * nothing had moved events may be in flight all the same: moved_is_calm. */
bool moved_settle(struct attached *attached);
/* No event is in flight, and all is settled. */
bool moved_is_calm(struct attached *attached);

#endif
