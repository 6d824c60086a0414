/* SPDX-License-Identifier: MIT */
/* The evictor: the thread that has pages leave while the job is above its budget or a group above
 * its limit. */
#ifndef PAGER_EVICTION_EVICTOR_H
#define PAGER_EVICTION_EVICTOR_H

struct pager;

/* 0 or -errno. */
int evictor_start(struct pager *pager);
void evictor_stop(struct pager *pager);
/* Once the watchdog has stopped, too. */
void evictor_free(struct pager *pager);
/* Its thread was given up (attach/remote.h): another goes on. Watchdog. */
void evictor_replace(struct pager *pager);

#endif
