/* SPDX-License-Identifier: MIT */
/*
 * Which process has an address space. Several may (vfork, CLONE_VM): then it is the one that has
 * started the others, which as a rule call exec soon.
 */
#ifndef PAGER_ATTACHED_HOLDER_H
#define PAGER_ATTACHED_HOLDER_H

#include <stdbool.h>
#include <sys/types.h>

struct attached;
struct pager;

/* The process of a thread, or the first of its parents that has the same memory. */
pid_t holder_of(pid_t thread);
/* It is proved to be that of an address space; `but` does not count (may be NULL). */
bool holder_is_proved(struct pager *pager, pid_t pid, const struct attached *but);
/* The process still has it: it has not called exec since. True if that cannot be told, as when no
 * descriptor is left. Any lock. */
bool holder_is(const struct attached *attached, pid_t pid);
/* Where it has, it is not known any more. Memory lock held for writing. */
void holder_check(struct attached *attached);
/* From now on it is this one's. Memory lock held for writing. */
void holder_set(struct attached *attached, pid_t pid);

#endif
