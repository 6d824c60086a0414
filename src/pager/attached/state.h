/* SPDX-License-Identifier: MIT */
/* What the pager's parts share. Private to src/pager. */
#ifndef PAGER_ATTACHED_STATE_H
#define PAGER_ATTACHED_STATE_H

#include <pthread.h>
#include "attach/keeper.h"
#include "attach/maps.h"
#include "base/latency.h"
#include "pager/attached/attached.h"
#include "pager/attached/config.h"
#include "pager/attached/process.h"
#include "pager/limits/group.h"
#include "store/store.h"
#include "tier/tier.h"

struct left;
struct server;
struct fetch_pool;

struct counters {
	_Atomic uint64_t pages_out, pages_in, pages_zeroed;
	_Atomic uint64_t refused;   /* pages that the kernel did not move: read-only, locked */
	_Atomic uint64_t anomalies; /* pages that were there already when they came back */
	_Atomic uint64_t revoked;   /* agents that had to be stopped in the middle of a batch */
};

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

struct pager {
	struct pager_config config;
	struct store *store;
	struct space *space;
	struct tier *tier;
	struct store_writer *writer; /* the evictor's */
	struct backend *backends[PAGER_BACKENDS];
	unsigned int backend_count;
	struct keepers *keepers;
	int own_statm;	      /* /proc/self/statm */
	int loadavg;	      /* /proc/loadavg */
	bool marks;	      /* pages that left have marks (attach/marks.h) */
	uint64_t ram_highest; /* most that segments may ever take, bytes */

	/* ---- the job's processes; control thread (tree.c, watch.c) */
	struct tree tree;
	struct groups groups; /* counters: any thread */
	bool was_attached;
	uint64_t figures_ns;			  /* last look at peaks and rates */
	struct maps maps;			  /* reused */
	uint64_t load_ns, thrashed_ns, back_seen; /* load.c: last look, when last, pages_in */
	uint64_t traffic_seen;			  /* at the last tick (watch.c) ... */
	int64_t resident_seen;
	int delay; /* ... and how soon the next was to come, microseconds */

	/*
	 * ---- the address spaces that are served. `attached_lock` for the list itself. One is
	 * freed (attached_bury) when it is no longer listed, the evictor is not at it, and
	 * `serving` has been held for writing: servers hold it for reading while they use one, and
	 * look at the generation each time they take it. What fetches (fetch.h) knows one by its id
	 * only, and looks it up when it has the bytes.
	 */
	pthread_mutex_t attached_lock;
	pthread_cond_t evicting_changed;
	struct attached **attached;
	size_t attached_count, attached_capacity;
	struct attached *evicting;
	_Atomic uint32_t attached_generation;
	_Atomic uint64_t attached_ids;

	/* Userfaultfds of what must die (doomed.h); `attached_lock`. */
	int *doomed;
	size_t doomed_count, doomed_capacity;
	uint64_t doomed_ns; /* control thread: the next hunt */

	_Atomic uint64_t short_ns; /* since when FORKs cannot be read for want of descriptors; 0 */
	pthread_rwlock_t serving;

	/* ---- threads */
	struct fetch_pool *fetch; /* fetch.c; while threads run */
	struct server *servers[SERVERS];
	struct door doors[SERVERS];
	struct fault_place where[SERVERS];
	unsigned int server_count;
	uint32_t servers_awake; /* futex, one bit each */
	pthread_t watchdog;
	struct evictor *evictor;
	struct remote_guard *evictor_guard; /* of its thread; watchdog and evictor */
	uint32_t evictor_ended;		    /* futex */
	uint32_t watchdog_stop;		    /* futex */
	pthread_t starve;		    /* starve.c */
	uint32_t starve_wake;		    /* futex */
	_Atomic bool starve_stop;
	bool threads_run;
	_Atomic bool stop, evictor_stop;
	uint32_t wake_evictor; /* futex */
	_Atomic bool evictor_sleeps;

	/* ---- the budget (budget.c) */
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
	_Atomic bool no_room;		/* evictor: nothing can leave now */
	_Atomic uint64_t live_bytes, live_ns; /* of RAM segments, and when that was looked up */
	_Atomic uint64_t own_bytes;	      /* the owner's anonymous memory at the last look */
	_Atomic uint64_t peak_bytes, wanted_peak, slots_peak;

	_Atomic uint64_t fixed_peak; /* bytes that could not leave when peak_bytes was reached */

	struct left *left; /* left.c; control thread */

	bool told_realtime; /* realtime.c */

	uint64_t opened_ns;
	int exit_status;
	struct latency latency;
	struct counters counters;
	struct fill_buffers *control_buffers, *evictor_buffers;
	uint8_t *batch_bytes; /* of the batch that the evictor works on */
};

/* Bytes that the job's processes have. */
static inline uint64_t figures_resident_bytes(const struct pager *pager)
{
	int64_t pages = pager->resident_pages;

	return pages > 0 ? (uint64_t)pages << PAGE_SHIFT : 0;
}
static inline void figures_raise(_Atomic uint64_t *peak, uint64_t value)
{
	if (value > *peak)
		*peak = value;
}

/* The most that was used, and what of that could not leave. */
static inline void figures_peak(struct pager *pager, uint64_t used)
{
	int64_t fixed = pager->fixed_pages;

	if (used <= pager->peak_bytes)
		return;
	pager->peak_bytes = used;
	pager->fixed_peak = fixed > 0 ? (uint64_t)fixed << PAGE_SHIFT : 0;
}

#endif
