/* SPDX-License-Identifier: MIT */
/* What src/pager/eviction keeps of an address space; the evictor's, but where it says so. Private
 * to src/pager. */
#ifndef PAGER_ATTACHED_ATTACHED_EVICT_H
#define PAGER_ATTACHED_ATTACHED_EVICT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "attach/threads.h"
#include "pager/attached/fixed.h"
#include "pager/attached/late_marks.h"

struct attached_evict {
	_Atomic bool paused;	     /* any thread: nothing of it may leave any more */
	_Atomic bool lost;	     /* it died with pages that had left it, and were not read */
	const char *_Atomic refused; /* why control is to bring all back (evict_refuse), or NULL */
	struct kept_pages kept;
	struct fixed fixed;
	uint64_t hand, laps; /* CLOCK, and how often it went round */
	double credit;	     /* of a turn (group.h) */
	uint64_t rests_ns;   /* had nothing to give, or was late; not asked before */
	unsigned int lates;  /* batches in a row with a late agent */
	struct late_marks late_marks;
	pthread_mutex_t staging_lock; /* registering staging, or revoking the agent; innermost */
};

#endif
