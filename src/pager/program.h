/* SPDX-License-Identifier: MIT */
/* Injecting a process, recording what it has, letting go of it. Control thread only. */
#ifndef PAGER_PROGRAM_H
#define PAGER_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>
#include "pager/pager.h"

struct attached;
struct process;

/* Injects, registers all mappings, records all present pages; starts the pager's threads if it is
 * the first. Not for a child of fork that is served already. 0 or -errno with a message; on failure
 * the process is as it was. */
int program_attach(struct pager *pager, struct process *process, char message[PAGER_MESSAGE]);

/* The same for a child of fork that is served already: from now on pages may leave it, too. */
int program_adopt(struct pager *pager, struct process *process, char message[PAGER_MESSAGE]);

/* Registers mappings that have come since. 0 or -errno. */
int program_register_new(struct attached *attached);

/* Stops all threads for a moment and records the pages that no descriptor knows of. */
int program_record(struct attached *attached);

/* How many pages are not in the process. Memory lock held. */
uint64_t program_swapped_pages(struct attached *attached);

typedef void (*program_progress_fn)(void *argument, uint64_t left_pages);
/* Brings back every swapped page. Nothing leaves it any more (attached->paused). */
int program_bring_back(struct attached *attached, program_progress_fn progress, void *argument);

/* Everything is back: unregisters, takes the agent out if there is one, and frees it. */
int program_release(struct attached *attached, char message[PAGER_MESSAGE]);

/*
 * Brings all back and lets go without a stop and without a call made inside the program: its new
 * seccomp filter could kill it for either. The agent stays asleep in the call it made before.
 */
int program_abandon(struct attached *attached);

/* Stops servers and evictor, when nothing is served any more. */
void program_stop_threads(struct pager *pager);

#endif
