/* SPDX-License-Identifier: MIT */
/*
 * Faults that a server has put aside, until they can be answered. One for each page, however often
 * its thread raises it: a thread with a signal pending does not sleep in its fault. There may be as
 * many as a program has threads. All belongs to one server.
 */
#ifndef PAGER_FAULTS_ASIDE_H
#define PAGER_FAULTS_ASIDE_H

#include <stdint.h>
#include "pager/faults/fault.h"

/* Most that wait, a server. */
#define ASIDE 16384u
/* Many places of few: each fault finds a free one soon. */
#define ASIDE_PLACES (2 * ASIDE)

/* Starts as all zeros; memory is used as faults need it. */
struct aside {
	unsigned int count;
	unsigned int placed; /* of the items: those that are found by their place */
	uint32_t pass;	     /* places of another pass are free */
	struct fault items[ASIDE];
	struct aside_place {
		uint32_t pass, item;
	} places[ASIDE_PLACES];
};

/* Where it is kept, or one for the same page was already; NULL: there is no room. */
struct fault *aside_put(struct aside *aside, const struct fault *fault);
/* All are to be tried: how many. items[i] may be put again once it has been copied. */
unsigned int aside_take(struct aside *aside);

#endif
