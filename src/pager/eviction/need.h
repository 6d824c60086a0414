/* SPDX-License-Identifier: MIT */
/* A budget that cannot be met. Evictor's thread. */
#ifndef PAGER_EVICTION_NEED_H
#define PAGER_EVICTION_NEED_H

#include <stdbool.h>
#include <stdint.h>

struct pager;

/* Starts as all zeros. */
struct need {
	bool told;
	uint64_t full_ns;  /* far above it, and no room, since then; 0: not so */
	uint64_t used;	   /* resident and own bytes when they had last grown much ... */
	uint64_t grown_ns; /* ... and when that was */
	uint64_t nap_ns;   /* rests so long after an attempt ... */
	uint64_t until_ns; /* ... which is until then */
	uint64_t limit;	   /* the budget in question */
};

/*
 * Without a device that could still take pages, what is stored can only be packed better, which
 * gains less and less: after a second of that, the evictor tries ever less often, nobody is
 * braked, and the user is told what would do. `room`: some was made just now.
 */
bool need_is_hopeless(struct need *need, struct pager *pager, bool room);
/* It can be met, as far as is known. */
void need_met(struct need *need);
/* Pages have left: whether it could still not be met. */
bool need_stays(struct need *need, const struct pager *pager);
/* Trying again now would be in vain. */
bool need_rests(const struct need *need, const struct pager *pager);

#endif
