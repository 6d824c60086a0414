/* SPDX-License-Identifier: MIT */
/* Recording the pages that a process has: those without a descriptor become resident. */
#ifndef PAGER_PROGRAM_RECORD_H
#define PAGER_PROGRAM_RECORD_H

struct attached;
struct maps;

/* With every thread stopped, the memory lock held for writing: registers and records all. 0 or
 * -errno. */
int record_all(struct attached *attached, struct maps *maps);
/* Records the pages that no descriptor knows of, when no event is in flight; where one always is,
 * all threads are stopped for a moment. Control thread; 0 or -errno. */
int record_again(struct attached *attached);

#endif
