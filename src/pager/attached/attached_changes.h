/* SPDX-License-Identifier: MIT */
/* What src/pager/changes keeps of an address space. Private to src/pager. */
#ifndef PAGER_ATTACHED_ATTACHED_CHANGES_H
#define PAGER_ATTACHED_ATTACHED_CHANGES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "pager/attached/callers.h"
#include "pager/attached/doubts.h"
#include "pager/attached/limbo.h"
#include "pager/attached/moves.h"

#define UNBORN	  8
#define RELATIVES 64

struct unborn {
	struct attached *child;
	uint64_t moves;		  /* its parent's moves before this one were read before its FORK */
	unsigned long long ticks; /* it started then, or later */
};

struct attached_changes {
	bool needs_look; /* child: its mappings have not been looked at since its birth */
	bool needs_wipe; /* child: look for MADV_WIPEONFORK before its first fault */
	/* Server: while its process is not known, who it may be (proof.h), and when all of /proc
	 * may be looked through again. */
	_Atomic pid_t relatives[RELATIVES];
	atomic_uint relative_count;
	uint64_t search_ns;
	_Atomic bool forked; /* it has relatives, or had */

	/* Server: children whose FORK was read, while events that were in flight with it are. */
	struct unborn unborn[UNBORN];
	unsigned int unborn_count;

	struct moved moved;	/* memory lock, for writing */
	struct limbo limbo;	/* the same */
	struct doubts doubts;	/* the same */
	struct callers callers; /* the same */
};

#endif
