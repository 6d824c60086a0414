/* SPDX-License-Identifier: MIT */
/* The moves of an address space that are remembered (moved.h). */
#ifndef PAGER_ATTACHED_MOVES_H
#define PAGER_ATTACHED_MOVES_H

#include <stdbool.h>
#include <stdint.h>

/* A move of `length` bytes; addresses and length are multiples of the page. */
struct remap {
	uint64_t from, to, length;
	uint64_t source; /* where its slots were: `from`, or in limbo */
	bool sent;	 /* the UNMAP of all that it left has been read */
	bool guessed;	 /* a newborn's, from what its parent has moved (moved_guess) */
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

#endif
