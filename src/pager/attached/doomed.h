/* SPDX-License-Identifier: MIT */
/*
 * Userfaultfds of memory that must die, because its bytes cannot be given any more. A userfaultfd
 * that is closed earlier leaves zeros behind, for a process that shares the memory, or one that
 * nobody knows, or for the kernel, which reads it for a dying one. So they stay open until the
 * memory is gone.
 */
#ifndef PAGER_ATTACHED_DOOMED_H
#define PAGER_ATTACHED_DOOMED_H

#include <stddef.h>
#include <stdint.h>

struct pager;

/* Userfaultfds of what must die; list's lock. */
struct doomed {
	int *files;
	size_t count, capacity;
	uint64_t hunt_ns; /* control thread: the next hunt */
};

/* Takes it over. Any thread; not with the lock of the list held. */
void doomed_add(struct pager *pager, int userfault);
/* Kills whoever has such memory, and closes what is gone. Control thread, each tick. */
void doomed_look(struct pager *pager);

#endif
