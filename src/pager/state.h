/* SPDX-License-Identifier: MIT */
/* What the pager's parts share. Private to src/pager. */
#ifndef PAGER_STATE_H
#define PAGER_STATE_H

#include <pthread.h>
#include "attach/keeper.h"
#include "attach/maps.h"
#include "pager/attached.h"
#include "pager/fault.h"
#include "pager/latency.h"
#include "pager/pager.h"
#include "store/store.h"
#include "tier/tier.h"

#define PAGER_BACKENDS 16
#define PAGER_CHILDREN 1024

struct counters {
	_Atomic uint64_t pages_out, pages_in, pages_zeroed, pages_clean;
	_Atomic uint64_t busy, refused; /* pages that would not move: pinned or shared; other */
	_Atomic uint64_t braked, anomalies;
	_Atomic uint64_t batches, revoked, stops;
};

struct pager {
	struct pager_config config;
	struct store *store;
	struct space *space;
	struct tier *tier;
	struct store_writer *writer; /* the evictor's */
	struct backend *backends[PAGER_BACKENDS];
	unsigned int backend_count;
	struct keeper *keeper;
	int own_statm;	      /* /proc/self/statm */
	uint64_t ram_highest; /* most that segments may ever take, bytes */

	/* ---- the program; control thread */
	pid_t pid;
	int pidfd, statm;
	pid_t *elders; /* children that were there before it was attached */
	size_t elder_count;
	uint64_t stack_start; /* fork keeps it */
	bool was_attached;
	uint64_t peaks_ns;	/* last look at the peaks */
	bool left_alone;	/* must not be attached (any more) */
	uint64_t tried_ns;	/* last attempt to attach */
	uint64_t scanned_ns;	/* last look at the mappings */
	uint64_t scanned_total; /* bytes mapped at that time */
	uint64_t scan_cost_ns, record_ns;
	struct maps maps; /* reused */
	char command[64];
	struct attached *program; /* NULL until it is attached */

	/* ---- everything that the server serves; mutex for changes by others */
	pthread_mutex_t attached_lock;
	struct attached *attached[PAGER_CHILDREN];
	unsigned int attached_count;
	_Atomic uint32_t attached_generation;

	/* ---- threads */
	pthread_t server_thread, evictor_thread;
	bool threads_run;
	bool server_alone; /* the program is gone, its children are not */
	_Atomic bool stop, evictor_stop;
	_Atomic bool agent_refused; /* a seccomp filter came: control brings all back */
	int wake_server;	    /* eventfd */
	uint32_t wake_evictor;	    /* futex */
	_Atomic bool deferred;	    /* the server has faults that wait for the evictor */

	/* ---- the budget (budget.c) */
	_Atomic uint64_t limit_bytes;
	_Atomic int64_t target_pages; /* evict above it */
	_Atomic int64_t brake_pages;  /* answer first touches late above it */
	_Atomic uint64_t brake_ns;    /* how long the brake may hold a fault now */
	_Atomic int64_t stored_size;  /* what a page takes when stored, sixteenths of a byte */
	_Atomic bool paused;	      /* thawed or detaching: nothing is evicted */
	_Atomic bool no_room;	      /* evictor: nothing can leave now */
	_Atomic uint64_t live_bytes, live_ns; /* of RAM segments, and when that was looked up */
	_Atomic uint64_t own_bytes;	      /* the owner's anonymous memory at the last look */
	_Atomic uint64_t peak_bytes, wanted_peak, slots_peak;

	uint64_t opened_ns;
	int exit_status;
	struct latency latency;
	struct counters counters;
	struct fault_buffers *server_buffers, *control_buffers, *evictor_buffers;
};

/* server.c */
int server_start(struct pager *pager);
void server_stop(struct pager *pager);
void server_kick(struct pager *pager);
int server_add(struct pager *pager, struct attached *attached);
void server_remove(struct pager *pager, struct attached *attached);

/* evictor.c */
int evictor_start(struct pager *pager);
void evictor_stop(struct pager *pager);
void evictor_kick(struct pager *pager);

/* budget.c: looks at what the program and the owner really have, sets the marks. Any thread. */
void budget_refresh(struct pager *pager);
/* Pages above which eviction starts, from the limit alone: what a program may have
 * before it is worth attaching. Bytes. */
uint64_t budget_attach_bytes(struct pager *pager);

/* figures.c: looks how much is swapped now. Control thread, now and then. */
void figures_keep_peaks(struct pager *pager);

/* attached.c */
/* Takes the lock for reading, with the cluster of the address, if there is one, not shared with
 * a child: a slot may then be changed. */
void attached_lock_private(struct attached *attached, uint64_t address);
struct attached *attached_new(struct pager *pager, int userfault);
/* Closes everything; nobody else uses it any more. */
void attached_free(struct attached *attached);

/* Kills the process behind it: its memory can no longer be told truthfully. */
void pager_kill(struct attached *attached);
/* The same, because the owner has no memory left to follow it; says so. */
void pager_lose(struct attached *attached);

void pager_say(struct pager *pager, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
