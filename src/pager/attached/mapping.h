/* SPDX-License-Identifier: MIT */
/* What the program does to its mappings, done to their slots and regions. The memory lock is held
 * for writing. A process that there is no memory left for is killed, with a word. */
#ifndef PAGER_ATTACHED_MAPPING_H
#define PAGER_ATTACHED_MAPPING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct attached;
struct region_list;

/* The pages of [start, end) hold zeros from now on. */
void mapping_empty(struct attached *attached, uint64_t start, uint64_t end);
/* The same, and nothing is mapped there any more. An empty range is none. */
void mapping_forget(struct attached *attached, uint64_t start, uint64_t end);
/* It is somewhere else; what was there is forgotten. Nothing of it may be leaving. (After
 * MREMAP_DONTUNMAP the old range is still registered, and empty: its next fault or the next look at
 * the mappings finds it again.) */
void mapping_move(struct attached *attached, uint64_t from, uint64_t to, uint64_t length);

/* Something that is mapped in the range is registered. Memory lock held. */
bool mapping_any_registered(const struct attached *attached, uint64_t start, uint64_t end);

/* What is a region and not registered any more is forgotten: shmat(SHM_REMAP) takes mappings away,
 * and no event tells. False: events are in flight, nothing was done. Slow. */
bool mapping_forget_unregistered(struct attached *attached);
/* The same, and takes the lock. */
bool mapping_forget_strangers(struct attached *attached);
/* Forgets all but what is registered: the list is mapping_registered's. */
void mapping_forget_others(struct attached *attached, const struct region_list *registered);

/* A thread of it by which /proc knows its memory; 0: none is known. Any lock. */
pid_t mapping_task(const struct attached *attached);

/* What the kernel has registered in a process with a userfaultfd, into an empty list (region_free).
 * Reads smaps: slow. 0 or -errno. No lock. */
int mapping_registered(pid_t pid, struct region_list *registered);
/* The same of the address space, whichever process has it by now; all that is a region if it is
 * registered still, perhaps more. Memory lock held. */
int mapping_own_registered(const struct attached *attached, struct region_list *registered);

#endif
