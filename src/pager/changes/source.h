/* SPDX-License-Identifier: MIT */
/*
 * From where the slots go that belong to a mapping that has moved: from its old addresses, from
 * limbo, if what was there left before something else came, or from nowhere, if it was never
 * touched and something else has come. The page table where it went tells, and where it was.
 *
 *     A: grows at c, in place       |a a a a|c c c|         never touched there
 *     A: moves away; its REMAP waits
 *     B: moves to c; its REMAP is read                  |c c c c c|
 *     A's REMAP is read: a has its slots, c has B's
 *
 * So what has moved is looked at in pieces: a mapping may have come to a part of where another one
 * moves from. Memory lock, held for writing.
 */
#ifndef PAGER_CHANGES_SOURCE_H
#define PAGER_CHANGES_SOURCE_H

#include <stdint.h>
#include "pager/attached/moves.h"

struct attached;

/* Nothing of ours has moved. */
#define SOURCE_NONE UINT64_MAX

/* Where the piece of `remap` that begins at `at`, an address where it was, ends. */
uint64_t source_piece_end(const struct attached *attached, const struct remap *remap, uint64_t at);
/* Where the slots of the piece [at, end) are, or SOURCE_NONE. */
uint64_t source_find(const struct attached *attached, const struct remap *remap, uint64_t at,
		     uint64_t end);

#endif
