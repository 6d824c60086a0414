/* SPDX-License-Identifier: MIT */
/* What src/pager/eviction keeps of the job; the evictor's, but where it says so. Private to
 * src/pager. */
#ifndef PAGER_ATTACHED_STATE_EVICT_H
#define PAGER_ATTACHED_STATE_EVICT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct evictor;
struct fill_buffers;
struct remote_guard;
struct store_writer;

struct pager_evict {
	struct evictor *evictor;
	struct remote_guard *guard; /* of its thread; watchdog and evictor */
	uint32_t ended;		    /* futex; any thread */
	_Atomic bool stop;	    /* any thread */
	uint32_t wake;		    /* futex; any thread */
	_Atomic bool sleeps;	    /* the same */
	struct store_writer *writer;
	struct fill_buffers *buffers;
	uint8_t *batch_bytes; /* of the batch that it works on */
	int loadavg;	      /* /proc/loadavg */
	bool marks;	      /* pages that left have marks (attach/marks.h); set once */
};

#endif
