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
#include "pager/figures.h"
#include "pager/limits/group.h"

struct pager;

/* The least budget that makes sense, bytes. */
uint64_t pager_least_limit(void);

/* Opens space, store and backends and preallocates; touches no program. */
int pager_open(struct pager **pager, const struct pager_config *config,
	       char message[MESSAGE_BYTES]);
/* Processes that are still served are killed: without us they would read zeros. */
void pager_close(struct pager *pager);

/* Takes a process and all that descend from it under watch (one job a pager). 0 or -errno with a
 * message (attach_allowed's). Nothing is injected before the job nears its budget. */
int pager_adopt(struct pager *pager, pid_t pid, char message[MESSAGE_BYTES]);

/*
 * The periodic work of the control thread: watches sizes, attaches when it
 * becomes necessary, registers new mappings, reconciles. Returns how many
 * microseconds may pass before the next call, or -ESRCH when no process is left.
 */
int pager_tick(struct pager *pager);

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
/* What counts against the budget, bytes: the processes' memory, and the owner's. */
void pager_used(struct pager *pager, uint64_t *job_bytes, uint64_t *own_bytes);
/* Process `pid` of the job goes into a group below its own, with all that it starts from now on;
 * the group is made when it is new. 0 with its path, or -errno with a message. */
int pager_group_enter(struct pager *pager, pid_t pid, const struct group_settings *settings,
		      char path[GROUP_PATH], char message[MESSAGE_BYTES]);
/* Changes limit and weight of the group with the path settings->name. 0 or -errno with a message.
 */
int pager_group_change(struct pager *pager, const struct group_settings *settings,
		       char message[MESSAGE_BYTES]);
/* Brings everything back; nothing is evicted until the next pager_set_limit. -EIO, -ETIMEDOUT with
 * a message: not all could be read. */
int pager_thaw(struct pager *pager, pager_progress_fn progress, void *argument,
	       char message[MESSAGE_BYTES]);
/* Brings everything back and leaves the processes as if nothing had been. On failure, with a
 * message, those that are left are served as before. `lose`: pages that cannot be read are no
 * failure; touching one raises SIGBUS from then on. */
int pager_detach(struct pager *pager, bool lose, pager_progress_fn progress, void *argument,
		 char message[MESSAGE_BYTES]);

void pager_report(struct pager *pager, struct report *report);

struct pager_where {
	char state[16];	    /* desc_state_name, or "untracked" */
	uint64_t slot;	    /* id; 0: none */
	char codec[16];	    /* stored: how */
	uint32_t bytes;	    /* stored: length of the object */
	unsigned int pages; /* stored: pages in the object */
	uint32_t sharers;   /* stored: address spaces that have these bytes for a page of theirs */
	uint32_t segment;
	char place[128]; /* "RAM", "file NAME at offset N", "the program's memory" ... */
};
/* 0, or -ESRCH: the process is no part of the job. */
int pager_where(struct pager *pager, pid_t pid, uint64_t address, struct pager_where *where);

#endif
