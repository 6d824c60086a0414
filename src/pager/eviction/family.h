/* SPDX-License-Identifier: MIT */
/*
 * A family: processes that fork made of one another. They have the same pages until one of them
 * writes, and the kernel moves none of those (UFFDIO_MOVE says EBUSY). So such a page leaves all of
 * them in turn, at once: the agent of each makes it the process's own and moves it, and its bytes
 * are stored once. While one of them cannot be evicted from, they stay: no memory would be gained.
 *
 * Known by where the stack begins, which fork keeps and exec changes. Should two that are no
 * relatives have it in common, bytes are compared in vain, no more.
 */
#ifndef PAGER_EVICTION_FAMILY_H
#define PAGER_EVICTION_FAMILY_H

#include <stdbool.h>
#include <stdint.h>

struct attached;

/* How many are alive that this one is served with, itself included; 0 if pages cannot leave one of
 * them. Any thread. */
unsigned int family_size(const struct attached *attached);

/* For pages of the batch that have left, words of the same bytes that relatives have stored before
 * (batch->twin, 0 before). Evictor's thread, no lock held. */
void family_find_stored(struct attached *attached);

#endif
