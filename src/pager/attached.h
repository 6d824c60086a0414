/* SPDX-License-Identifier: MIT */
/*
 * One address space under paging: a program's, or that of a child it forked.
 * Belongs to the pager; its parts say who may touch them (protocol.h has the locks).
 */
#ifndef PAGER_ATTACHED_H
#define PAGER_ATTACHED_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "attach/attach.h"
#include "attach/threads.h"
#include "pager/batch.h"
#include "pager/lock.h"
#include "pager/protocol.h"
#include "pager/region.h"
#include "pager/stream.h"
#include "space/space.h"

struct pager;

#define UNBORN 8
#define REMAPS 32

/* A mapping's move while other events were in flight. */
struct remap {
	uint64_t from, to, length;
};

struct attached {
	struct pager *pager;
	struct space *space; /* pager's, at hand */
	struct memory *memory;
	struct memory_lock lock;
	struct region_list regions; /* memory lock */
	struct streams streams;	    /* server only */
	int userfault;
	int pidfd; /* -1: not known */
	pid_t pid; /* 0: a child that has not faulted yet */
	int keeper_handle;
	bool has_agent;	   /* the program itself; a forked child has none */
	bool needs_maps;   /* child: its mappings at birth could not be looked at */
	bool needs_wipe;   /* child: look for MADV_WIPEONFORK before its first fault */
	_Atomic bool dead; /* ESRCH: the address space is gone */

	/* Server: children whose FORK was read while other events were in flight. */
	struct attached *unborn[UNBORN];
	struct remap remaps[REMAPS];
	unsigned int unborn_count, remap_count;

	/* Server: moves since the last time that nothing was in flight. */
	struct remap moved[REMAPS];
	unsigned int moved_count;

	/* The word and sleepers of a child's lock; the program's are in the channel. */
	uint32_t own_word, own_waiters;

	struct target target;	      /* has_agent */
	struct kept_pages kept;	      /* evictor */
	struct batch batch;	      /* has_agent */
	uint64_t hand;		      /* evictor: CLOCK */
	pthread_mutex_t staging_lock; /* registering staging, or revoking the agent; innermost */

	/* Pages resident as far as is known between two looks at statm. */
	_Atomic int64_t resident_pages;
};

#endif
