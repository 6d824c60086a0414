/* SPDX-License-Identifier: MIT */
/*
 * While an event of a process is in flight nothing can be installed in it (userfault.h). Threads
 * that drop, map or move memory all the time keep one in flight always: the faults of the whole
 * process would starve. When one has waited for too long, all threads of the process are stopped
 * for a moment: each ends the system call that it is in, the events are read, and what waits is
 * answered.
 */
#ifndef PAGER_FAULTS_STARVE_H
#define PAGER_FAULTS_STARVE_H

#include <stdbool.h>
#include <stdint.h>

struct attached;
struct pager;

/* Something waits for an event's end, since `since`, ns. Any thread; the address space is in
 * use. */
void starve_note(struct attached *attached, uint64_t since);

/* The same after each try of one that tries until it succeeds: whether an event is in its way, and
 * since when (0: it is not). It must end with false. */
void starve_mark(struct attached *attached, uint64_t *since, bool changing);

/*
 * The thread that stops them. Neither the control thread nor a server does it: they may wait for
 * each other, and for a lock that is held until no event is in flight (messages.c, read_on). It
 * holds the list's lock only, and never while it stops a process. 0 or -errno. Control thread.
 */
int starve_start(struct pager *pager);
void starve_stop(struct pager *pager);

#endif
