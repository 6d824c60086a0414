/* SPDX-License-Identifier: MIT */
/* Cleaning, object by object. Private to src/store. */
#ifndef STORE_RELOCATE_H
#define STORE_RELOCATE_H

#include "store/private.h"

struct cleaning {
	struct store *store;
	struct store_writer *writer;
	uint32_t id; /* the segment that is being emptied; the cleaner has a hold on it */
	const unsigned char *frame;
	uint64_t copied;   /* bytes */
	uint64_t relieved; /* bytes that died in other segments */
	uint64_t group;	   /* strong: the group of slots that was tried last */
	bool strong;
	bool in_place; /* strong: what is not packed stays where it is */
	bool moves;    /* the segment could not go to a backend (segment_must_move) */
	bool stuck;    /* no room to copy to */
};

/* Moves what is live of the object at `offset` out of the segment. */
void relocate_object(struct cleaning *cleaning, uint32_t offset, struct object object);
/* The same for one word, found by its holder. */
void relocate_word(struct cleaning *cleaning, slot_t *slot, desc_t word);

#endif
