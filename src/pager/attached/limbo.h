/* SPDX-License-Identifier: MIT */
/*
 * Slots whose mapping is no longer where they were, while the event that says where it went may not
 * have been read yet. They are kept where nothing is mapped, with their regions, so that they are
 * in nobody's way, until that event comes for them or nothing is in flight any more.
 *
 * Everything here under the memory lock, held for writing.
 */
#ifndef PAGER_ATTACHED_LIMBO_H
#define PAGER_ATTACHED_LIMBO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct attached;

enum limbo_why {
	LIMBO_COVERED,	/* something else has moved there */
	LIMBO_UNMAPPED, /* and an UNMAP was read, of what was there before, or of this */
	LIMBO_GONE,	/* an UNMAP was read, and it stood there no more */
};

struct limbo {
	struct limbo_item {
		uint64_t start, end; /* where they were, addresses */
		uint64_t at;	     /* where they are */
		enum limbo_why why;
		uint64_t look; /* the last before that, at who sleeps (callers.h) */
	} * items;	       /* oldest first */
	size_t count, capacity;
	_Atomic uint64_t since_ns; /* something is there; 0: nothing. Read without the lock */
};

/* Takes what the regions have in [start, end) there. Nothing of it may be leaving. Without memory
 * or a place for it the process is killed, with a word. */
void limbo_put(struct attached *attached, uint64_t start, uint64_t end, enum limbo_why why);
/* Where that is which was at the address. */
static inline uint64_t limbo_place(const struct limbo_item *item, uint64_t address)
{
	return item->at + (address - item->start);
}
/* An UNMAP of [start, end) was read that is about what was there before something else came: the
 * oldest that has left as a whole by that is most likely gone. */
void limbo_note_unmapped(struct attached *attached, uint64_t start, uint64_t end);
/* Something that was in [start, end) is there, and its UNMAP may still come. */
bool limbo_overlaps(const struct attached *attached, uint64_t start, uint64_t end);
/* Nothing will come for the first `count`: their bytes are forgotten. */
void limbo_drop(struct attached *attached, size_t count);
/* Frees the list alone. */
void limbo_free(struct limbo *limbo);

#endif
