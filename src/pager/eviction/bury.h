/* SPDX-License-Identifier: MIT */
/* Mutexes that threads held when they ended while the mutex's page was leaving (robust.h). */
#ifndef PAGER_EVICTION_BURY_H
#define PAGER_EVICTION_BURY_H

#include <stdint.h>
#include <sys/types.h>

struct attached;

/*
 * The agent does for threads that have ended what the kernel could not, about the mutexes in what
 * the batch moved. `last_id` (robust_last_id) and `changes` of the kept pages are from before the
 * batch: with one thread beside the agent all the time there are none; where thread ids have
 * another meaning to the program, none can be told. Evictor's thread, the batch's bytes still
 * there.
 */
void bury_lost(struct attached *attached, pid_t last_id, uint64_t changes);

#endif
