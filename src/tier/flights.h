/* SPDX-License-Identifier: MIT */
/*
 * Segments on their way to a backend: the oldest is written to the first place that has room,
 * sealed before where the backend wants that. Only the tier thread uses it.
 */
#ifndef TIER_FLIGHTS_H
#define TIER_FLIGHTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "store/store.h"
#include "tier/clock.h"
#include "tier/places.h"

struct flight;

struct flights {
	struct store *store;
	struct places *places;
	const struct tier_clock *clock;
	struct flight *items; /* as many as all places together may have writes */
	unsigned int aloft;
	/* One segment a flight, sparse: what is sealed; NULL: nothing is. */
	_Atomic(unsigned char *) copies;
	unsigned int copies_used; /* flights whose copy may have memory */
	int64_t wrote_at;	  /* the last write that was started */
	bool landed;		  /* a write ended well; who looks takes it back */
};

/* The places stay. `flights` is all zero. 0 or -ENOMEM; to be closed either way. */
int flights_open(struct flights *flights, struct store *store, struct places *places,
		 const struct tier_clock *clock);
/* Before a place is added whose backend seals. The tier thread may run. 0 or -ENOMEM. */
int flights_seal(struct flights *flights);
/* None is aloft. */
void flights_close(struct flights *flights);

/* Sends the oldest segment on its way. False: no segment, or no place for one now. */
bool flights_start(struct flights *flights);
/* How many will probably land soon. */
unsigned int flights_arriving(const struct flights *flights);
/* Takes what has landed; waits that long for one. */
void flights_collect(struct flights *flights, int timeout_ms);

/* Copies are memory of the budget: few for a small share of RAM, none while nothing is written. */
void flights_size_copies(struct flights *flights, uint64_t share);
void flights_drop_copies(struct flights *flights);

#endif
