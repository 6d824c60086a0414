/* SPDX-License-Identifier: MIT */
/*
 * How well slots fit what the page table says of some addresses: a page of which the word says
 * "resident" is present there, one that has left with a mark has it. Asked when a
 * mapping has moved, and it is not sure which slots are its own. Under the memory lock, held for
 * writing: no page comes or goes by us meanwhile, and while an event is in flight no mark.
 */
#ifndef PAGER_CHANGES_FIT_H
#define PAGER_CHANGES_FIT_H

#include <stdbool.h>
#include <stdint.h>

struct attached;

struct fit {
	uint64_t agree;	  /* pages that are there, or have a mark, as the words say */
	uint64_t against; /* that are, or have, and the words say otherwise: these are not theirs */
	uint64_t missing; /* where the words say so, and nothing is: dropped since, or not theirs */
};

/* Slots at `slots` beside what is at [start, end); all 0 where the page table cannot be seen. */
struct fit fit_of(const struct attached *attached, uint64_t slots, uint64_t start, uint64_t end);

/* A page may be dropped without a word of it: what is missing counts for little. */
static inline bool fit_is_better(const struct fit *fit, const struct fit *other)
{
	return fit->against < other->against ||
	       (fit->against == other->against && fit->agree > other->agree);
}

static inline uint64_t fit_misfits(const struct fit *fit)
{
	return fit->against + fit->missing;
}

/* All pages that should be there have gone without us, and all marks. */
static inline bool fit_is_emptied(const struct fit *fit)
{
	return fit->missing && !fit->agree;
}

#endif
