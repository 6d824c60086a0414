/* SPDX-License-Identifier: MIT */
/*
 * One address space under paging: a program's, or that of a child it forked.
 * Belongs to the pager; its parts say who may touch them (protocol.h has the locks).
 */
#ifndef PAGER_ATTACHED_ATTACHED_H
#define PAGER_ATTACHED_ATTACHED_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "attach/attach.h"
#include "attach/own_userfault.h"
#include "attach/threads.h"
#include "pager/attached/batch.h"
#include "pager/attached/fixed.h"
#include "pager/attached/limbo.h"
#include "pager/attached/lock.h"
#include "pager/attached/moves.h"
#include "pager/attached/protocol.h"
#include "pager/attached/region.h"
#include "pager/attached/stream.h"
#include "pager/limits/group.h"
#include "space/space.h"

struct pager;
struct process;

#define UNBORN 8

struct unborn {
	struct attached *child;
	uint64_t moves;		  /* its parent's moves before this one were read before its FORK */
	unsigned long long ticks; /* it started then, or later */
};

struct attached {
	struct pager *pager;
	uint64_t id;	     /* never used again */
	struct space *space; /* pager's, at hand */
	struct memory *memory;
	struct group *_Atomic group; /* its process's, for all who count; control thread sets it */
	struct memory_lock lock;
	struct region_list regions;	 /* memory lock */
	struct streams streams[SERVERS]; /* one for each server, its own */
	int userfault;
	int pidfd;		/* -1: not known */
	_Atomic int pagemap;	/* of one without an agent; -1: not open, -2: cannot be opened */
	_Atomic pid_t pid;	/* 0: a child of which is not known yet which process it is */
	uint64_t stack_start;	/* where its stack begins: fork keeps it, exec changes it */
	uint32_t listeners;	/* servers that wait on it; pager's list lock */
	_Atomic bool has_agent; /* it can be evicted from */
	bool needs_look;	/* child: its mappings have not been looked at since its birth */
	bool needs_wipe;	/* child: look for MADV_WIPEONFORK before its first fault */
	_Atomic bool
		owed; /* it lacks bytes that only we have: not to be closed before it is gone */
	_Atomic bool dead;     /* ESRCH: the address space is gone */
	_Atomic bool short_of; /* a descriptor, to read its FORK (messages.c) */
	_Atomic bool forked;   /* it has relatives, or had */
	_Atomic bool held;     /* its faults wait: others work (load.h) */
	_Atomic bool paused;   /* nothing of it may leave any more */
	/* starve.h: what waits for an event's end; too long; and when a stop helped it last. */
	_Atomic unsigned int starving;
	_Atomic bool starves;
	_Atomic uint64_t relieved_ns;
	uint64_t relief_ns;	     /* not stopped again before; pager's list lock */
	const char *_Atomic refused; /* why control is to bring all back (evict_refuse), or NULL */

	/* Server: children whose FORK was read, while events that were in flight with it are. */
	struct unborn unborn[UNBORN];
	unsigned int unborn_count;

	struct moved moved;   /* memory lock, for writing */
	struct limbo limbo;   /* the same */
	unsigned int blocked; /* reads of its userfaultfd that slept; the same */

	struct target target;	/* has_agent */
	struct kept_pages kept; /* evictor */
	struct batch batch;	/* has_agent */
	struct fixed fixed;	/* evictor */
	uint64_t hand, laps;	/* evictor: CLOCK, and how often it went round */
	double credit;		/* evictor: of a turn (group.h) */
	uint64_t rests_ns;	/* evictor: had nothing to give, or was late; not asked before */
	unsigned int lates;	/* evictor: batches in a row with a late agent */
	pthread_mutex_t staging_lock; /* registering staging, or revoking the agent; innermost */

	_Atomic uint64_t faults; /* served */

	/* Pages resident as far as is known between two looks at statm; a part of the pager's. Not
	 * among them: those that are counted with other processes, which have them too. */
	_Atomic int64_t resident_pages;
	_Atomic int64_t shared_pages;

	/* Control thread. */
	uint64_t turn_ns;	 /* load.c: when its turn began ... */
	uint64_t faults_seen;	 /* ... its faults at the last look ... */
	bool takes_part;	 /* ... and whether it thrashes */
	struct process *process; /* NULL: not known yet */
	uint64_t abandon_ns;	 /* refused: bringing back is tried again then */
	uint64_t scanned_ns;	 /* the last look at its mappings */
	uint64_t scanned_total;	 /* bytes mapped at that time */
	uint64_t scan_cost_ns, record_ns;
	uint64_t code_ns; /* no staging for executable pages is asked for before */
	struct own_userfault own_userfault;
	int64_t unknowable;    /* pages that the last recording did not find (a library's data) */
	int64_t unmanaged;     /* so many at least are in no region, and cannot leave */
	int64_t unknown_least; /* the fewest unknown ones that were counted ... */
	uint64_t unknown_ns;   /* ... since then ... */
	unsigned int unknown_looks; /* ... and how often */
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

/* Its pagemap, opened when it is first needed. -1: cannot be had now. Memory lock held. */
int attached_pagemap(struct attached *attached);
/* How many of the pages one COPY may bring: it must not go over what is not empty, a guard
 * (MADV_GUARD_INSTALL, which no event tells). At least 1: the first is one that is missing. */
unsigned int attached_count_empty(struct attached *attached, uint64_t address, unsigned int pages);
/* Nothing came to a page since its fault was read, long ago: as above. */
bool attached_is_empty(struct attached *attached, uint64_t address);
/* For another process than was thought: memory lock held for writing. */
void attached_forget_pagemap(struct attached *attached);

/* Pages came in (or, negative, left). */
void attached_count_pages(struct attached *attached, int64_t pages);
/* How many there really are. */
void attached_set_pages(struct attached *attached, int64_t pages);

/* How many pages are not in the process. Memory lock held. */
uint64_t attached_swapped_pages(struct attached *attached);

#endif
