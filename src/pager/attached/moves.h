/* SPDX-License-Identifier: MIT */
/*
 * The moves of mappings that are remembered: those since the last time that no event was in flight
 * (changes/moved.h). Under the memory lock, held for writing.
 */
#ifndef PAGER_ATTACHED_MOVES_H
#define PAGER_ATTACHED_MOVES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "pager/attached/callers.h"

struct region_list;

/* A move of `length` bytes; addresses and length are multiples of the page. What moved at once is
 * noted in parts, in a row, where its slots came from different places. */
struct remap {
	uint64_t from, to, length;
	uint64_t source; /* where its slots were: `from`, or in limbo */
	struct mover mover;
	bool sent;    /* the UNMAP of all that it left has been read */
	bool guessed; /* a newborn's, from what its parent has moved (moved_guess) */
};

/* Most that are remembered: then the oldest is forgotten. */
#define MOVES 1024u

struct moved {
	struct remap items[MOVES];
	unsigned int count;
	uint64_t forgotten; /* so many came before items[0]: a move keeps its number */
	bool guessed;	    /* some of them are guesses */
	bool spared;	    /* some UNMAP was taken for one of what was there before */
};

void moves_note(struct moved *moved, const struct remap *remap);
/* The first, by address, of those into [start, end); or NULL. */
const struct remap *moves_into(const struct moved *moved, uint64_t start, uint64_t end);
/* The last of them in time; or NULL. */
const struct remap *moves_last_into(const struct moved *moved, uint64_t start, uint64_t end);
/* Who moved what is in all of [start, end) there, last; 0: it is not known. */
pid_t moves_owner(const struct moved *moved, uint64_t start, uint64_t end);
/* Something moved into [start, end), or from there. */
bool moves_touch(const struct moved *moved, uint64_t start, uint64_t end);

/* mremap sends an UNMAP of what it has left, right after its REMAP. It may come still, for some of
 * [start, end). */
bool moves_owe(const struct moved *moved, uint64_t start, uint64_t end);
/* An UNMAP of [start, end) has been read. True: it may be that. */
bool moves_note_sent(struct moved *moved, uint64_t start, uint64_t end);

/*
 * Where what stands at `start` ends, at the latest: its region, or what has moved to or beyond it.
 * Each piece is looked at alone: a mapping may have moved to where another one has moved on from,
 * and one event names them all.
 */
uint64_t moves_piece_end(const struct moved *moved, const struct region_list *regions,
			 uint64_t start, uint64_t end);

#endif
