/* SPDX-License-Identifier: MIT */
#include "pager/faults/aside.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* So few are looked through; places would take a page of memory for each. */
#define FEW 32u

static bool is_same(const struct fault *one, const struct fault *other)
{
	return one->address == other->address && one->attached == other->attached;
}

static struct fault *find_among_few(struct aside *aside, const struct fault *fault)
{
	for (unsigned int i = 0; i < aside->count; i++)
		if (is_same(&aside->items[i], fault))
			return &aside->items[i];
	return NULL;
}

/* The fault's place, or the free one that it may have. */
static struct aside_place *find_place(struct aside *aside, const struct fault *fault)
{
	uint64_t key = (fault->address >> 12 ^ (uintptr_t)fault->attached) * 0x9e3779b97f4a7c15u;
	uint32_t at = (uint32_t)(key >> 32) % ASIDE_PLACES;

	while (aside->places[at].pass == aside->pass &&
	       !is_same(&aside->items[aside->places[at].item], fault))
		at = (at + 1) % ASIDE_PLACES;
	return &aside->places[at];
}

static void place_all(struct aside *aside)
{
	if (!aside->placed && !++aside->pass) {
		memset(aside->places, 0, sizeof(aside->places));
		aside->pass = 1;
	}
	for (; aside->placed < aside->count; aside->placed++)
		*find_place(aside, &aside->items[aside->placed]) =
			(struct aside_place){aside->pass, aside->placed};
}

struct fault *aside_put(struct aside *aside, const struct fault *fault)
{
	struct fault *known;

	if (aside->count < FEW) {
		known = find_among_few(aside, fault);
	} else {
		struct aside_place *place;

		place_all(aside);
		place = find_place(aside, fault);
		known = place->pass == aside->pass ? &aside->items[place->item] : NULL;
	}
	if (known) {
		known->write |= fault->write;
		return known;
	}
	if (aside->count == ASIDE)
		return NULL;
	aside->items[aside->count] = *fault;
	return &aside->items[aside->count++];
}

unsigned int aside_take(struct aside *aside)
{
	unsigned int count = aside->count;

	aside->count = aside->placed = 0;
	return count;
}
