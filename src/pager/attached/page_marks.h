/* SPDX-License-Identifier: MIT */
/* Marks of pages that left (attach/marks.h): DESC_MARKED in a swapped page's word says that it has
 * one. A word without is believed as it is. */
#ifndef PAGER_ATTACHED_PAGE_MARKS_H
#define PAGER_ATTACHED_PAGE_MARKS_H

#include <stdbool.h>
#include <stdint.h>
#include "space/descriptor.h"

struct attached;

/* Takes over what the agent marked, and marks what it did not get to. Evictor, no lock held, before
 * any fault on the batch is answered. */
void page_marks_settle(struct attached *attached);

/* Some pages stayed because nobody registered them: what has become of them was not told yet, or no
 * event tells (SHM_REMAP). What is there now is somebody else's. Evictor, no lock held. */
bool page_marks_strangers(const struct attached *attached);

/*
 * Some page has left memory that nobody had registered right afterwards, so may not have been ours:
 * its place may have been read as zeros since. Between the agent's question and the move it was
 * replaced without an event. Evictor, no lock held, after page_marks_settle.
 */
bool page_marks_went_astray(const struct attached *attached);

/*
 * How many of the pages are as they were left, all of which are swapped, locked, and marked like
 * `first`; 0: the first is not, the program has dropped it. Memory lock held for reading.
 */
unsigned int page_marks_count_left(struct attached *attached, uint64_t address, desc_t first,
				   unsigned int pages);

/* The page was dropped, and no event told. As page_marks_count_left. */
bool page_marks_dropped(struct attached *attached, uint64_t address, desc_t word);

#endif
