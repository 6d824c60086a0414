/* SPDX-License-Identifier: MIT */
/*
 * The watchdog: nobody is kept by a program. No server sleeps in a read of a userfaultfd. The
 * descriptor is non-blocking, but the program can get hold of it (pidfd_getfd by the agent's thread
 * id) and make it blocking, and whoever reads it then sleeps with the memory lock held. There is no
 * read of a userfaultfd that does not depend on this: RWF_NOWAIT is refused before Linux 6.10, and
 * for those of forked children always. So servers count when they begin and end a read, and one
 * that has been in the same read for two looks is sent a signal, which ends it with EINTR: an
 * honest program's never does. The evictor reads memory that may keep it for good
 * (attach/remote.h): its thread is then given up, and another takes its place.
 */
#ifndef PAGER_WATCHDOG_H
#define PAGER_WATCHDOG_H

struct pager;

/* Once the servers run; 0 or -errno. */
int watchdog_start(struct pager *pager);
/* Before the servers are freed. */
void watchdog_stop(struct pager *pager);

#endif
