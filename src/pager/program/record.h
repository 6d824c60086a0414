/* SPDX-License-Identifier: MIT */
/* Recording the pages that a process has: those without a descriptor become resident. */
#ifndef PAGER_PROGRAM_RECORD_H
#define PAGER_PROGRAM_RECORD_H

struct attached;
struct maps;

/* With every thread stopped, the memory lock held for writing: registers and records all. 0 or
 * -errno. */
int record_all(struct attached *attached, struct maps *maps);
/* Stops all threads for a moment and records the pages that no descriptor knows of. Control
 * thread; 0 or -errno. */
int record_again(struct attached *attached);

#endif
