/* SPDX-License-Identifier: MIT */
/*
 * One address space under paging: a program's, or that of a child it forked.
 * Belongs to the pager; its parts say who may touch them (protocol.h has the locks).
 */
#ifndef PAGER_ATTACHED_ATTACHED_H
#define PAGER_ATTACHED_ATTACHED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "attach/attach.h"
#include "pager/attached/attached_changes.h"
#include "pager/attached/attached_evict.h"
#include "pager/attached/attached_serve.h"
#include "pager/attached/attached_watch.h"
#include "pager/attached/batch.h"
#include "pager/attached/lock.h"
#include "pager/attached/protocol.h"
#include "pager/attached/region.h"
#include "pager/attached/stream.h"
#include "pager/limits/group.h"
#include "space/space.h"

struct pager;
struct process;

/* Which process it is, and how it is reached. */
struct attached_task {
	uint64_t id; /* never used again */
	int userfault;
	int pidfd;		/* -1: not known */
	_Atomic int pagemap;	/* of one without an agent, proved (pagemap.h); -1: none yet */
	_Atomic pid_t pid;	/* 0: a child of which is not known yet which process it is */
	uint64_t stack_start;	/* where its stack begins: fork keeps it, exec changes it */
	_Atomic bool has_agent; /* it can be evicted from */
	/* It lacks bytes that only we have: not to be closed before it is gone. */
	_Atomic bool owed;
	_Atomic bool dead; /* ESRCH: the address space is gone */
};

struct attached_count {
	_Atomic uint64_t faults; /* served */
	/* Pages resident as far as is known between two looks at statm; a part of the pager's. Not
	 * among them: those that are counted with other processes, which have them too. */
	_Atomic int64_t resident_pages;
	_Atomic int64_t shared_pages;
};

struct attached {
	struct pager *pager;
	struct space *space; /* pager's, at hand */
	struct memory *memory;
	struct group *_Atomic group; /* its process's, for all who count; control thread sets it */
	struct memory_lock lock;
	struct region_list regions;	 /* memory lock */
	struct streams streams[SERVERS]; /* one for each server, its own */
	struct attached_task task;
	struct attached_serve serve;
	struct attached_changes changes;
	struct target target; /* has_agent */
	struct batch batch;   /* has_agent */
	struct attached_evict evict;
	struct attached_count count;
	struct attached_watch watch;
};

/* Starts with no region, not listed. NULL: out of memory. `userfault` is its own from now on. */
struct attached *attached_new(struct pager *pager, int userfault);
/* Closes everything; for one that was never listed. While memory that is owed something lives it is
 * doomed (doomed.h). */
void attached_free(struct attached *attached);

/* From now on it is served. 0 or -ENOMEM. Any thread. */
int attached_list(struct attached *attached);
/* From now on it is not, and nobody uses it any more. Control thread only, no lock held. */
void attached_unlist(struct attached *attached);
/* The one at place i of the list; NULL: there is none. Control thread, or `serving` held. */
struct attached *attached_at(struct pager *pager, size_t i);
/* The one that has this id, if it is served still: `serving` held. */
struct attached *attached_find(struct pager *pager, uint64_t id);
/* Whoever was at it, and may have seen it as it was before, is done. The same. */
void attached_barrier(struct attached *attached);
/* The same for one whose address space is gone; frees it. */
void attached_bury(struct attached *attached);

/* How many served children are processes that are not known yet. Any thread. */
size_t attached_count_unknown(struct pager *pager);

/* The cluster of the address is there, and not shared with a child: a slot may then be changed.
 * False: no room for one, and the process is killed: in a shared one its relatives would change,
 * too. Lock held for writing. */
bool attached_own_slot(struct attached *attached, uint64_t address);
/* Takes the lock for reading, with the slot its own like that if there is a cluster. False: not
 * taken. */
bool attached_lock_private(struct attached *attached, uint64_t address);

/* Pages came in (or, negative, left). */
void attached_count_pages(struct attached *attached, int64_t pages);
/* How many there really are. */
void attached_set_pages(struct attached *attached, int64_t pages);

/* How many pages are not in the process. Memory lock held. */
uint64_t attached_swapped_pages(struct attached *attached);

#endif
