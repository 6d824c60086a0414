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

/* All pages of the batch lie in memory that is registered. Else what has become of some was not
 * told yet, or no event tells: what is there now may be somebody else's. Evictor, no lock held. */
bool page_marks_batch_is_ours(struct attached *attached);

/*
 * How many of the pages are as they were left, all of which are swapped, locked, and marked like
 * `first`; 0: the first is not, the program has dropped it. Memory lock held for reading.
 */
unsigned int page_marks_count_left(struct attached *attached, uint64_t address, desc_t first,
				   unsigned int pages);

/* The page was dropped, and no event told. As page_marks_count_left. */
bool page_marks_dropped(struct attached *attached, uint64_t address, desc_t word);

#endif
