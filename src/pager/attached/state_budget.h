/* SPDX-License-Identifier: MIT */
/* The budget and its marks (src/pager/job/budget.h): set by whoever refreshes it, read by any
 * thread. Private to src/pager. */
#ifndef PAGER_ATTACHED_STATE_BUDGET_H
#define PAGER_ATTACHED_STATE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct pager_budget {
	int own_statm;	      /* /proc/self/statm */
	uint64_t ram_highest; /* most that segments may ever take, bytes */
	_Atomic uint64_t limit_bytes;
	bool strict;			/* the kernel kills above it; control thread */
	_Atomic int64_t resident_pages; /* of all processes, as far as known between two looks */
	_Atomic int64_t fixed_pages;	/* of them: what cannot leave (tree_fixed_pages) */
	_Atomic int64_t room_pages;	/* what the budget has for the processes ... */
	_Atomic int64_t target_pages;	/* ... and, less what cannot leave: evict above it */
	_Atomic int64_t brake_pages;	/* answer first touches late above it */
	_Atomic uint64_t brake_ns;	/* how long the brake may hold a fault now */
	_Atomic int64_t stored_size;	/* what a page takes when stored, sixteenths of a byte */
	_Atomic bool paused;		/* thawed or detaching: nothing is evicted */
	_Atomic uint64_t segments_most; /* RAM that segments could have, were there no backend */
	_Atomic bool no_room;		/* evictor: nothing can leave now */
	_Atomic uint64_t live_bytes, live_ns; /* of RAM segments, and when that was looked up */
	_Atomic uint64_t own_bytes;	      /* the owner's anonymous memory at the last look */
};

#endif
