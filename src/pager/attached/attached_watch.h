/* SPDX-License-Identifier: MIT */
/* What the control thread keeps of an address space (watch.c, job/, program/). Private to
 * src/pager. */
#ifndef PAGER_ATTACHED_ATTACHED_WATCH_H
#define PAGER_ATTACHED_ATTACHED_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include "attach/own_userfault.h"

struct attached_watch {
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

#endif
