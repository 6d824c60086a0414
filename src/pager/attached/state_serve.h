/* SPDX-License-Identifier: MIT */
/* What src/pager/faults keeps of the job. Private to src/pager. */
#ifndef PAGER_ATTACHED_STATE_SERVE_H
#define PAGER_ATTACHED_STATE_SERVE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "pager/attached/protocol.h"

struct fetch_pool;
struct server;

/* Where a server sleeps and is woken. */
struct door {
	int epoll;
	int wake;	       /* eventfd */
	_Atomic bool deferred; /* it has faults that wait for the evictor */
};

/* Where faults come from (follow.c), one for each server. */
struct fault_place {
	_Atomic uint64_t seen_ns; /* the last sample that showed a fault from there */
	_Atomic int wanted_cpu;	  /* -1: none yet */
};

struct pager_serve {
	_Atomic uint64_t short_ns; /* since when FORKs cannot be read for want of descriptors; 0 */
	struct fetch_pool *fetch;  /* fetch.c; while threads run */
	struct server *servers[SERVERS];
	struct door doors[SERVERS];
	struct fault_place where[SERVERS];
	unsigned int count; /* of servers */
	uint32_t awake;	    /* futex, one bit each */
};

#endif
