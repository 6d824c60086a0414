/* SPDX-License-Identifier: MIT */
/*
 * Load control. When many processes bring in what they lost to one another all the time, none gets
 * far, and all CPUs are busy with it. Then only some work, as many as have room, for a while each;
 * the faults of the others are held. After P. J. Denning, "The working set model for program
 * behavior" (1968), and the swap token of S. Jiang and X. Zhang, "Token-ordered LRU" (2005).
 */
#ifndef PAGER_JOB_LOAD_H
#define PAGER_JOB_LOAD_H

#include <stdint.h>

struct pager;

/* Longest that a fault is held for it, ns: who must go on so that others can, does. */
#define HOLD_NS 30000000u

/* Who works and who is held (attached->serve.held) now; ten times a second at most. Control thread. */
void load_look(struct pager *pager, uint64_t now);

#endif
