/* SPDX-License-Identifier: MIT */
#include "tier/flights.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include "space/map.h"

/* Sealed copies take this part of what RAM segments may take, or two at least; and are kept a while
 * for the next ones. */
#define COPY_SHARE   4
#define LEAST_WRITES 2u
#define COPIES_KEPT  (200 * MILLISECOND)
#define FLIGHTS	     (BACKEND_MOST * PLACE_WRITES)

struct flight {
	struct flights *flights;
	struct place *place; /* NULL: free */
	uint32_t segment;
	uint64_t extent;
};

int flights_open(struct flights *flights, struct store *store, struct places *places,
		 const struct tier_clock *clock)
{
	flights->store = store;
	flights->places = places;
	flights->clock = clock;
	flights->items = calloc(FLIGHTS, sizeof(*flights->items));
	return flights->items ? 0 : -ENOMEM;
}

int flights_seal(struct flights *flights)
{
	if (!flights->copies)
		flights->copies = map_sparse((size_t)FLIGHTS * SEGMENT_BYTES);
	return flights->copies ? 0 : -ENOMEM;
}

void flights_close(struct flights *flights)
{
	map_remove(flights->copies, (size_t)FLIGHTS * SEGMENT_BYTES);
	free(flights->items);
}

static void finish(struct flight *flight, int result)
{
	struct flights *flights = flight->flights;
	struct place *place = flight->place;

	if (result) {
		store_segment_unwritten(flights->store, flight->segment);
		place->backend->operations->release(place->backend, flight->extent);
	} else {
		store_segment_written(flights->store, flight->segment, place->backend,
				      flight->extent, false);
		flights->landed = true;
	}
	flight->place = NULL;
	place->in_flight--;
	flights->aloft--;
	place_finished(flights->places, place, result, tier_now(flights->clock));
}

static void written(void *argument, int result)
{
	finish(argument, result);
}

static struct flight *free_flight(struct flights *flights)
{
	struct flight *flight = flights->items;

	while (flight->place)
		flight++;
	return flight;
}

static unsigned char *copy_of(struct flight *flight)
{
	struct flights *flights = flight->flights;

	return flights->copies + (size_t)(flight - flights->items) * SEGMENT_BYTES;
}

/* What is to be written there: the segment, or its sealed copy. */
static int seal(struct flight *flight, const void **bytes)
{
	struct flights *flights = flight->flights;
	unsigned int number = (unsigned int)(flight - flights->items);

	if (!flight->place->backend->seals)
		return 0;
	if (flights->copies_used <= number)
		flights->copies_used = number + 1;
	*bytes = copy_of(flight);
	return store_seal(flights->store, flight->segment, copy_of(flight));
}

void flights_size_copies(struct flights *flights, uint64_t share)
{
	uint64_t fit = share / COPY_SHARE / SEGMENT_BYTES;

	if (!flights->copies)
		return;
	flights->places->writes = fit < LEAST_WRITES   ? LEAST_WRITES
				  : fit < PLACE_WRITES ? (unsigned int)fit
						       : PLACE_WRITES;
}

void flights_drop_copies(struct flights *flights)
{
	if (!flights->copies_used || flights->aloft ||
	    tier_now(flights->clock) - flights->wrote_at < COPIES_KEPT)
		return;
	map_give_back(flights->copies, (size_t)flights->copies_used * SEGMENT_BYTES);
	flights->copies_used = 0;
}

/* A place for the oldest segment that has one now: there may be older ones that may go to other
 * places only, or to none. */
static struct place *find_place(struct flights *flights, uint64_t *extent)
{
	uint16_t wanted = STORE_ANY_TIER, tiers;
	struct place *place;

	while (wanted && (tiers = store_oldest_tiers(flights->store, wanted))) {
		if (places_find(flights->places, tiers, tier_now(flights->clock), &place, extent) ==
		    PLACE_FOUND)
			return place;
		wanted &= (uint16_t)~tiers;
	}
	return NULL;
}

bool flights_start(struct flights *flights)
{
	struct backend *backend;
	struct flight *flight;
	struct place *place;
	const void *bytes;
	uint64_t extent;
	uint32_t segment;
	int error;

	place = find_place(flights, &extent);
	if (!place)
		return false;
	backend = place->backend;
	segment = store_oldest_for_writeback(flights->store, place->tier, &bytes);
	if (!segment) {
		backend->operations->release(backend, extent);
		return false;
	}
	/* There are as many flights as all places together may have writes. */
	flight = free_flight(flights);
	*flight = (struct flight){flights, place, segment, extent};
	place->in_flight++;
	flights->aloft++;
	flights->wrote_at = tier_now(flights->clock);
	error = seal(flight, &bytes);
	if (!error)
		error = backend->operations->write(backend, extent, bytes, written, flight);
	if (error)
		finish(flight, error);
	return !error;
}

unsigned int flights_arriving(const struct flights *flights)
{
	return flights->aloft ? places_arriving(flights->places, tier_now(flights->clock)) : 0;
}

void flights_collect(struct flights *flights, int timeout_ms)
{
	for (unsigned int i = 0; i < flights->places->count; i++) {
		struct place *place = &flights->places->items[i];
		int wait = place->in_flight ? timeout_ms : 0;

		if (place->retired && !place->in_flight)
			continue;
		if (place->backend->operations->poll(place->backend, wait) < 0 && wait)
			usleep(1000);
		if (wait)
			timeout_ms = 0;
	}
	places_watch(flights->places, tier_now(flights->clock));
}
