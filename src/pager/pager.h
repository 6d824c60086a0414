/* SPDX-License-Identifier: MIT */
/*
 * The pager: the client of a space that binds the memory of live programs to
 * slots. Policy over mechanism: when to attach, what to evict, how far to read
 * ahead, when to brake. See pager/attached/protocol.h for the paging protocol itself.
 *
 * One owner thread (the "control thread") calls everything here. It is the thread that
 * traces the program. The pager's own threads serve faults and evict.
 */
#ifndef PAGER_PAGER_H
#define PAGER_PAGER_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "backend/backend.h"
#include "base/message.h"
#include "pager/attached/config.h"
#include "pager/backends.h"
#include "pager/figures.h"
#include "pager/limits/group.h"
#include "pager/regroup.h"
#include "pager/watch.h"

struct pager;

/* The least budget that makes sense, bytes. */
uint64_t pager_least_limit(void);

/* Opens space, store and backends and preallocates; touches no program. Before the first process
 * runs, if it is a child: other children that there are then are no part of the job. */
int pager_open(struct pager **pager, const struct pager_config *config,
	       char message[MESSAGE_BYTES]);
/* Processes that are still served are killed: without us they would read zeros. */
void pager_close(struct pager *pager);

/* Takes a process and all that descend from it under watch (one job a pager). 0 or -errno with a
 * message (attach_allowed's). Nothing is injected before the job nears its budget. */
int pager_adopt(struct pager *pager, pid_t pid, char message[MESSAGE_BYTES]);

/* To wait for beside other things: readable when it is time for a tick, since one of the processes
 * that look after the job should we die has died itself. */
void pager_keeper_polls(const struct pager *pager, struct pollfd polls[PAGER_KEEPERS]);

/* Whether any process of the job still lives, as far as the last tick knows. */
bool pager_has_processes(struct pager *pager);

typedef void (*pager_progress_fn)(void *argument, uint64_t done_bytes, uint64_t total_bytes);

/* 0, or -EINVAL with a message when below the least limit. Ends a thaw. */
int pager_set_limit(struct pager *pager, uint64_t bytes, char message[MESSAGE_BYTES]);
/* The same for a limit that changes by itself; a thaw goes on. At least the least limit. */
void pager_adjust_limit(struct pager *pager, uint64_t bytes);
/* Strict: above the limit the kernel kills, so processes are attached earlier, before they could
 * fill what is left at once. */
void pager_set_strict(struct pager *pager, bool strict);
/* Brings everything back; nothing is evicted until the next pager_set_limit. -EIO, -ETIMEDOUT with
 * a message: not all could be read. */
int pager_thaw(struct pager *pager, pager_progress_fn progress, void *argument,
	       char message[MESSAGE_BYTES]);
/* Brings everything back and leaves the processes as if nothing had been. On failure, with a
 * message, those that are left are served as before. `lose`: pages that cannot be read are no
 * failure; touching one raises SIGBUS from then on. */
int pager_detach(struct pager *pager, bool lose, pager_progress_fn progress, void *argument,
		 char message[MESSAGE_BYTES]);

#endif
