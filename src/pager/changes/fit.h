/* SPDX-License-Identifier: MIT */
/*
 * How well slots fit what the page table says of some addresses: a page of which the word says
 * "resident" must be present there, one that has left with a mark must have it. Asked when a
 * mapping has moved, and it is not sure which slots are its own. Under the memory lock, held for
 * writing: no page comes or goes by us meanwhile, and while an event is in flight no mark.
 */
#ifndef PAGER_CHANGES_FIT_H
#define PAGER_CHANGES_FIT_H

#include <stdbool.h>
#include <stdint.h>

struct attached;

struct fit {
	uint64_t expected; /* pages of which the words say that something is there */
	uint64_t found;	   /* of these, those that are */
	uint64_t wrong;	   /* pages that are there, and the words say otherwise */
};

/* Slots at `slots` beside what is at [start, end); all 0 where the page table cannot be seen. */
struct fit fit_of(const struct attached *attached, uint64_t slots, uint64_t start, uint64_t end);

static inline uint64_t fit_misfits(const struct fit *fit)
{
	return fit->wrong + (fit->expected - fit->found);
}

/* More than 0: they speak for it; 0: nothing to tell by; less: against it. */
static inline int64_t fit_score(const struct fit *fit)
{
	return (int64_t)fit->found - (int64_t)fit_misfits(fit);
}

/* All pages that should be there have gone without us, and all marks. */
static inline bool fit_is_emptied(const struct fit *fit)
{
	return fit->expected && !fit->found;
}

#endif
