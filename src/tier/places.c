/* SPDX-License-Identifier: MIT */
#include "tier/places.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define RETRY_FIRST (100 * MILLISECOND)
#define RETRY_MOST  (10 * SECOND)
#define FULL_FOR    (1 * SECOND)
#define STALL	    (5 * SECOND)
#define MIB	    (1ull << 20)

void places_add(struct places *places, struct backend *backend)
{
	unsigned int index = places->count;
	struct place *place = &places->items[index];

	place->backend = backend;
	place->priority = backend->priority;
	place->tier = (uint16_t)(1u << index);
	place->retry_after = RETRY_FIRST;
	/* From here on the tier thread sees it. */
	atomic_store(&places->count, index + 1);
}

__attribute__((format(printf, 3, 4))) static void say_once(struct places *places, bool *told,
							   const char *format, ...)
{
	char line[MESSAGE_BYTES];
	va_list arguments;

	if (*told || !places->say)
		return;
	*told = true;
	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	places->say(places->say_argument, line);
}

struct place *places_of(struct places *places, const struct backend *backend)
{
	struct place *place = places->items + places->count - 1;

	/* The newest: one that was removed may have been at the same address. */
	while (place->backend != backend)
		place--;
	return place;
}

static bool is_stalled(const struct place *place, int64_t now)
{
	return place->stalled_at && now >= place->stalled_at;
}

static bool is_usable(const struct place *place, int64_t now)
{
	if (place->tried || place->retired || now < place->retry_at || is_stalled(place, now))
		return false;
	/* One that failed is tried with one write at a time. */
	return place->retry_after == RETRY_FIRST || !place->in_flight;
}

static bool is_better(const struct place *place, const struct place *other)
{
	int priority = place->priority, others = other->priority;

	return priority > others || (priority == others && place->in_flight < other->in_flight);
}

/* Of the usable places of the highest priority the one with the least to do. */
static struct place *best(struct places *places, int64_t now)
{
	struct place *chosen = NULL;

	for (unsigned int i = 0; i < places->count; i++) {
		struct place *place = &places->items[i];

		if (is_usable(place, now) && (!chosen || is_better(place, chosen)))
			chosen = place;
	}
	return chosen;
}

enum place_found places_find(struct places *places, uint16_t tiers, int64_t now,
			     struct place **place, uint64_t *extent)
{
	for (unsigned int i = 0; i < places->count; i++)
		places->items[i].tried = !(places->items[i].tier & tiers);
	while ((*place = best(places, now))) {
		if ((*place)->in_flight >= places->writes)
			return PLACE_BUSY;
		*extent = (*place)->backend->operations->allocate((*place)->backend);
		if (*extent != BACKEND_NO_EXTENT)
			return PLACE_FOUND;
		(*place)->tried = true;
	}
	return PLACE_NONE;
}

unsigned int places_arriving(const struct places *places, int64_t now)
{
	unsigned int arriving = 0;

	for (unsigned int i = 0; i < places->count; i++)
		if (!is_stalled(&places->items[i], now))
			arriving += places->items[i].in_flight;
	return arriving;
}

static void tell_full(struct places *places, struct place *place)
{
	struct backend_statistics statistics;

	place->backend->operations->statistics(place->backend, &statistics);
	say_once(places, &place->told_full,
		 "backend %s: no room left after %llu of its %llu MiB; nothing is lost, what does "
		 "not "
		 "fit goes to the next backend; make room there or add one (vswap backend add "
		 "file:PATH)",
		 place->backend->name, (unsigned long long)(statistics.used_bytes / MIB),
		 (unsigned long long)(statistics.capacity_bytes / MIB));
}

static void tell_failing(struct places *places, struct place *place, int error)
{
	if (place->backend->operations->health(place->backend) == BACKEND_DEAD)
		say_once(places, &place->told_dead,
			 "backend %s: writing failed again and again (%s): it is tried again every "
			 "%lld s; what it holds is still read from it; look at the device (dmesg), "
			 "and add another one (vswap backend add file:PATH)",
			 place->backend->name, strerror(error), RETRY_MOST / SECOND);
	else
		say_once(places, &place->told_failing,
			 "backend %s: writing failed (%s); nothing is lost, it goes to the next "
			 "backend or stays in RAM; look at the device (dmesg)",
			 place->backend->name, strerror(error));
}

void place_finished(struct places *places, struct place *place, int result, int64_t now)
{
	place->stalled_at = place->in_flight ? now + STALL : 0;
	if (result == 0) {
		place->retry_after = RETRY_FIRST;
		return;
	}
	if (result == -ENOSPC) {
		place->retry_at = now + FULL_FOR;
		tell_full(places, place);
		return;
	}
	/* Those that were in flight together fail together: that is once. */
	if (now >= place->retry_at) {
		place->retry_at = now + place->retry_after;
		place->retry_after *= 2;
		if (place->retry_after > RETRY_MOST)
			place->retry_after = RETRY_MOST;
	}
	tell_failing(places, place, -result);
}

void places_watch(struct places *places, int64_t now)
{
	for (unsigned int i = 0; i < places->count; i++) {
		struct place *place = &places->items[i];

		if (place->in_flight && !place->stalled_at)
			place->stalled_at = now + STALL;
		if (is_stalled(place, now))
			say_once(places, &place->told_stalled,
				 "backend %s: no answer for %lld s; the next backend is used until "
				 "it answers; look at the device (dmesg)",
				 place->backend->name, STALL / SECOND);
	}
}

static bool has_room(const struct place *place, int64_t now)
{
	struct backend_statistics statistics;

	if (place->retired || place->told_full || place->retry_after > RETRY_FIRST ||
	    is_stalled(place, now))
		return false;
	place->backend->operations->statistics(place->backend, &statistics);
	return statistics.used_bytes + BACKEND_EXTENT_BYTES <= statistics.capacity_bytes;
}

static const char *ill_with(const struct place *place, int64_t now)
{
	if (is_stalled(place, now))
		return "does not answer";
	if (place->retry_after > RETRY_FIRST)
		return "cannot be written to";
	return place->told_full ? "is full" : "has no room";
}

void places_say_no_room(struct places *places, int64_t now, bool *told)
{
	char why[256] = "";
	size_t length = 0;

	for (unsigned int i = 0; i < places->count; i++) {
		if (!has_room(&places->items[i], now))
			continue;
		say_once(places, told,
			 "no memory for more swapped pages: pages stay resident, though backend %s "
			 "has room; vswap's tables and what is on its way there take what the "
			 "limit leaves: raise the limit",
			 places->items[i].backend->name);
		return;
	}
	for (unsigned int i = 0; i < places->count && length < sizeof(why); i++)
		if (!places->items[i].retired)
			length += (size_t)snprintf(
				why + length, sizeof(why) - length, "backend %s %s; ",
				places->items[i].backend->name, ill_with(&places->items[i], now));
	say_once(places, told,
		 "no space anywhere: pages stay resident; %sadd %s backend (vswap backend add "
		 "file:PATH) or "
		 "raise the limit",
		 why, places->count ? "another" : "a");
}
