/* SPDX-License-Identifier: MIT */
/* The periodic work of the control thread. */
#ifndef PAGER_WATCH_H
#define PAGER_WATCH_H

struct pager;

/*
 * The periodic work of the control thread: watches sizes, attaches when it
 * becomes necessary, registers new mappings, reconciles. Returns how many
 * microseconds may pass before the next call, or -ESRCH when no process is left.
 */
int pager_tick(struct pager *pager);

#endif
