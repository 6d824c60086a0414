/* SPDX-License-Identifier: MIT */
/*
 * Processes that have the same memory and are no threads of each other: clone(CLONE_VM) makes
 * them, vfork for a moment. One that is stopped does not keep the others from changing it.
 */
#ifndef ATTACH_TWINS_H
#define ATTACH_TWINS_H

#include <stddef.h>
#include <sys/types.h>

#define TWINS_MOST 64

/*
 * Writes the twins of `pid` to twins[], `most` of them at most (<= TWINS_MOST); how many.
 * Found are relatives of it and of each other, and orphans that have come to the owner.
 */
size_t twins_of(pid_t pid, pid_t *twins, size_t most);

/*
 * From within a session of `pid` (trace.h): stops its twins, too, and calls `work`; what that
 * returned. A twin that does not stop for a moment's waiting runs on. `skip`: a thread that is not
 * stopped; 0: none.
 */
int twins_stop(pid_t pid, pid_t skip, int (*work)(void *argument), void *argument);

#endif
