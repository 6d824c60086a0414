/* SPDX-License-Identifier: MIT */
/* What src/pager/job keeps of the job; the control thread's, but where it says so. Private to
 * src/pager. */
#ifndef PAGER_ATTACHED_STATE_JOB_H
#define PAGER_ATTACHED_STATE_JOB_H

#include <stdbool.h>
#include <stdint.h>
#include "attach/maps.h"
#include "pager/attached/process.h"
#include "pager/limits/group.h"

struct fill_buffers;
struct keepers;
struct left;

struct pager_job {
	struct tree tree;
	struct groups groups; /* counters: any thread */
	bool was_attached;
	bool told_realtime; /* realtime.c */
	struct maps maps;   /* reused */
	struct left *left;  /* left.c */
	struct keepers *keepers;
	struct fill_buffers *buffers; /* of the control thread */
};

/* load.c: the last look, when the job thrashed last, pages_in then. */
struct pager_load {
	uint64_t looked_ns, thrashed_ns, back_seen;
};

/* watch.c: at the last tick, and how soon the next was to come. */
struct pager_watch {
	uint64_t traffic_seen;
	int64_t resident_seen;
	int delay; /* microseconds */
};

#endif
