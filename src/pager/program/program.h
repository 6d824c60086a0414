/* SPDX-License-Identifier: MIT */
/* Injecting a process. Control thread only. */
#ifndef PAGER_PROGRAM_PROGRAM_H
#define PAGER_PROGRAM_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/message.h"

struct pager;

struct attached;
struct process;

/* A program whose threads do not stop in this time is left running, ms. */
#define STOP_PATIENCE_MS 200

/* Injects, registers all mappings, records all present pages; the pager's threads run. Not for a
 * child of fork that is served already. 0 or -errno with a message; on failure the process is as it
 * was. */
int program_attach(struct pager *pager, struct process *process, char message[MESSAGE_BYTES]);

/* The same for a child of fork that is served already: from now on pages may leave it, too. */
int program_adopt(struct process *process, char message[MESSAGE_BYTES]);

/* Registers mappings that have come since. 0 or -errno. */
int program_register_new(struct attached *attached);

#endif
