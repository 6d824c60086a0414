/* SPDX-License-Identifier: MIT */
/* What the pager's parts share: each room's part is in a header of its own. Private to src/pager.
 */
#ifndef PAGER_ATTACHED_STATE_H
#define PAGER_ATTACHED_STATE_H

#include <pthread.h>
#include "attach/keeper.h"
#include "base/page.h"
#include "pager/attached/attached.h"
#include "pager/attached/config.h"
#include "pager/attached/doomed.h"
#include "pager/attached/listing.h"
#include "pager/attached/state_budget.h"
#include "pager/attached/state_evict.h"
#include "pager/attached/state_figures.h"
#include "pager/attached/state_job.h"
#include "pager/attached/state_serve.h"
#include "pager/attached/state_threads.h"
#include "store/store.h"
#include "tier/tier.h"

struct drain;

struct pager_backends {
	struct backend *items[BACKEND_MOST]; /* NULL: it was removed */
	unsigned int count;
	_Atomic unsigned int in_use; /* of these; not one that is about to be removed */
	/* The removal under way; control thread (backends.h). */
	struct backend *leaving;
	struct drain *drain;		  /* also of one that was called off, until it has ended */
	uint64_t began_ns, leaving_bytes; /* most that there was on it */
};

struct pager {
	struct pager_config config;
	struct store *store;
	struct space *space;
	struct tier *tier;
	struct pager_backends backends;
	struct pager_job job;
	struct pager_load load;
	struct pager_watch watch;
	struct listing listing;
	struct doomed doomed;
	struct pager_serve serve;
	struct pager_threads threads;
	struct pager_evict evict;
	struct pager_budget budget;
	struct pager_figures figures;
};

/* Bytes that the job's processes have. */
static inline uint64_t figures_resident_bytes(const struct pager *pager)
{
	int64_t pages = pager->budget.resident_pages;

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
	int64_t fixed = pager->budget.fixed_pages;

	if (used <= pager->figures.peak_bytes)
		return;
	pager->figures.peak_bytes = used;
	pager->figures.fixed_peak = fixed > 0 ? (uint64_t)fixed << PAGE_SHIFT : 0;
}

#endif
