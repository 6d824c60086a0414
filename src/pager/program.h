/* SPDX-License-Identifier: MIT */
/* Attaching to the program, recording what it has, letting go of it. Control thread only. */
#ifndef PAGER_PROGRAM_H
#define PAGER_PROGRAM_H

#include <stdbool.h>
#include "pager/pager.h"

/* Injects, registers all mappings, records all present pages, starts the pager's threads. 0 or
 * -errno with a message; on failure the program is as it was. */
int program_attach(struct pager *pager, char message[PAGER_MESSAGE]);

/* Registers mappings that have come since. 0 or -errno. */
int program_register_new(struct pager *pager);

/* Stops all threads for a moment and records the pages that no descriptor knows of. */
int program_record(struct pager *pager);

/* Brings back every swapped page. Nothing is evicted meanwhile (pager->paused). */
int program_bring_back(struct pager *pager, pager_progress_fn progress, void *argument);

/* Everything is back: unregisters and takes the agent out. */
int program_release(struct pager *pager, char message[PAGER_MESSAGE]);

/*
 * Brings all back and lets go without a stop and without a call made inside the program: its new
 * seccomp filter could kill it for either. The agent stays asleep in the call it made before.
 */
int program_abandon(struct pager *pager);

/* Stops server and evictor; program_forget starts a server again for children that live on. */
void program_stop_threads(struct pager *pager);

/* The address space is gone (exit, exec): stops the evictor, frees the slots. */
void program_forget(struct pager *pager);

#endif
