/* SPDX-License-Identifier: MIT */
/*
 * The backends of a tier thread as places to write to: which one is next, what
 * happened to it lately, and what the user was told. Only the tier thread uses it, but for what is
 * atomic: other threads retire a place, and give it another priority.
 */
#ifndef TIER_PLACES_H
#define TIER_PLACES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "backend/backend.h"
#include "tier/clock.h"

#define MILLISECOND 1000000ll /* ns */
#define SECOND	    (1000 * MILLISECOND)

/* Writes in flight to one backend: enough to keep a disk busy, few enough that the frames which
 * wait for it stay a small part of a small budget. */
#define PLACE_WRITES 4u

struct place {
	struct backend *backend;
	_Atomic int priority;
	atomic_bool retired; /* nothing more is written there, and it is about to be removed */
	uint16_t tier;	     /* its bit in a set of tiers (store.h) */
	atomic_uint in_flight;
	bool tried;	     /* in this search */
	int64_t stalled_at;  /* ns: when its oldest write counts as stalled; 0: none in flight */
	int64_t retry_at;    /* ns: not used before */
	int64_t retry_after; /* ns: how long the next failure keeps it away */
	bool told_failing, told_dead, told_full, told_stalled;
};

struct places {
	struct place items[BACKEND_MOST]; /* as in the table of backends */
	atomic_uint count;		  /* only grows */
	unsigned int writes;		  /* most in flight to each: PLACE_WRITES, or fewer */
	void (*say)(void *argument, const char *line);
	void *say_argument;
};

/* The next one, at most BACKEND_MOST: the i-th is bit i of a set of tiers. One thread at a time;
 * the tier thread may run. */
void places_add(struct places *places, struct backend *backend);

enum place_found { PLACE_FOUND, PLACE_BUSY, PLACE_NONE };

/*
 * Of those in `tiers` the place of highest priority that is well and has room, and an extent there.
 * PLACE_BUSY: there is one but it has enough to do: wait for it. Lower
 * priorities are for when the higher ones are full or ill, not for when they are slow.
 */
enum place_found places_find(struct places *places, uint16_t tiers, int64_t now,
			     struct place **place, uint64_t *extent);

/* Writes in flight that will probably end soon: not those of stalled places. */
unsigned int places_arriving(const struct places *places, int64_t now);
/* The place of a backend. Any thread. */
struct place *places_of(struct places *places, const struct backend *backend);
/* What became of a write; `result` 0 or -errno. Tells the user the first time. */
void place_finished(struct places *places, struct place *place, int result, int64_t now);
/* Looks for writes that take too long, so that others are used meanwhile. */
void places_watch(struct places *places, int64_t now);
/* Says it once for ever, and what is wrong with each; or that it is memory that lacks. */
void places_say_no_room(struct places *places, int64_t now, bool *told);

#endif
