/* SPDX-License-Identifier: MIT */
/*
 * A backend is emptied while programs run: its segments go to RAM, and from there, as the oldest,
 * to the other backends. A thread of its own reads them, so that nobody else waits for the device.
 * No descriptor changes, and no page table is walked.
 */
#ifndef TIER_DRAIN_H
#define TIER_DRAIN_H

#include <stdbool.h>
#include <stdint.h>
#include "backend/backend.h"
#include "store/store.h"
#include "tier/tier.h"

struct drain;

struct drain_config {
	struct store *store;
	struct tier *tier;
	struct backend *backend;
	bool lose; /* what cannot be read is given up */
	/* Reading that fails is tried again for so long, and room is waited for, since the last
	 * that went well; ns. */
	uint64_t patience_ns;
};

struct drain_status {
	bool ended;
	int error; /* then: 0: nothing is on it, and nobody but readers that are done looks at it;
		    * or why it takes writes again: -ECANCELED, -EIO, -ENOSPC: there is no room
		    * elsewhere, -ETIMEDOUT: a write to it, or the tier's thread, waits for a device
		    */
	unsigned int unreadable; /* segments that could not be read */
	uint64_t left_bytes;	 /* on the backend still */
};

/* Begins: the backend gets no more writes. 0 or -errno. One thread calls all of these. */
int drain_start(struct drain **drain, const struct drain_config *config);
void drain_look(struct drain *drain, struct drain_status *status);
/* It ends soon, with -ECANCELED, unless it waits for the device. */
void drain_cancel(struct drain *drain);
/* One that has ended; else waits for it. */
void drain_free(struct drain *drain);

#endif
