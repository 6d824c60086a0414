/* SPDX-License-Identifier: MIT */
#include "pager/attached/limbo.h"

#include <stdlib.h>
#include <string.h>
#include "base/array.h"
#include "base/clock.h"
#include "pager/attached/mapping.h"
#include "pager/attached/region.h"
#include "pager/attached/say.h"
#include "pager/attached/state.h"
#include "space/descriptor.h"
#include "space/space.h"

/* Where nothing is mapped and no region is: far below where the kernel puts mappings. */
#define LIMBO_FIRST 0x200000000000ull
#define LIMBO_STEP  0x000400000000ull
#define LIMBO_LAST  0x500000000000ull

static bool is_free(const struct attached *attached, uint64_t start, uint64_t end)
{
	const struct limbo *limbo = &attached->changes.limbo;
	uint64_t from, to, at;

	for (size_t i = 0; i < limbo->count; i++) {
		const struct limbo_item *item = &limbo->items[i];

		if (item->at < end && item->at + (item->end - item->start) > start)
			return false;
	}
	if (memory_next(attached->memory, start, &at) && at < end)
		return false;
	return region_gap(&attached->regions, start, end, &from, &to) && from == start && to == end;
}

/* Whole clusters move as they are: each page lies in its cluster as it did before. LIMBO_LAST or
 * more: there is none. */
static uint64_t find_place(const struct attached *attached, uint64_t start, uint64_t length)
{
	const struct limbo *limbo = &attached->changes.limbo;
	uint64_t place = LIMBO_FIRST + (start & ((1ull << CLUSTER_SHIFT) - 1));

	if (limbo->count)
		place += (limbo->items[limbo->count - 1].at - LIMBO_FIRST) & ~(LIMBO_STEP - 1);
	while (place < LIMBO_LAST && !is_free(attached, place, place + length))
		place += LIMBO_STEP;
	return place;
}

void limbo_put(struct attached *attached, uint64_t start, uint64_t end, enum limbo_why why)
{
	struct limbo *limbo = &attached->changes.limbo;
	struct limbo_item item = {.start = start, .end = end, .why = why};

	assert_writing(&attached->lock);
	item.at = find_place(attached, start, end - start);
	if (item.at >= LIMBO_LAST ||
	    array_grow((void **)&limbo->items, &limbo->capacity, limbo->count + 1, sizeof(item))) {
		pager_lose(attached);
		return;
	}
	item.look = attached->changes.callers.look;
	mapping_move(attached, start, item.at, end - start);
	limbo->items[limbo->count++] = item;
	if (!limbo->since_ns)
		limbo->since_ns = monotonic_ns();
}

/* All that is left of it was in [start, end). */
static bool is_inside(const struct attached *attached, const struct limbo_item *item,
		      uint64_t start, uint64_t end)
{
	const struct region_list *regions = &attached->regions;
	uint64_t from = item->start > start ? item->start : start;
	uint64_t to = item->end < end ? item->end : end;

	return from < to && region_any(regions, limbo_place(item, from), limbo_place(item, to)) &&
	       !region_any(regions, item->at, limbo_place(item, from)) &&
	       !region_any(regions, limbo_place(item, to), limbo_place(item, item->end));
}

void limbo_note_unmapped(struct attached *attached, uint64_t start, uint64_t end)
{
	struct limbo *limbo = &attached->changes.limbo;

	assert_writing(&attached->lock);
	for (size_t i = 0; i < limbo->count; i++) {
		struct limbo_item *item = &limbo->items[i];

		if (item->why == LIMBO_COVERED && is_inside(attached, item, start, end)) {
			item->why = LIMBO_GONE;
			return;
		}
	}
}

bool limbo_overlaps(const struct attached *attached, uint64_t start, uint64_t end)
{
	const struct limbo *limbo = &attached->changes.limbo;

	assert_writing(&attached->lock);
	for (size_t i = 0; i < limbo->count; i++)
		if (limbo->items[i].start < end && limbo->items[i].end > start &&
		    limbo->items[i].why != LIMBO_GONE)
			return true;
	return false;
}

void limbo_drop(struct attached *attached, size_t count)
{
	struct limbo *limbo = &attached->changes.limbo;

	assert_writing(&attached->lock);
	if (!count)
		return;
	for (size_t i = 0; i < count; i++) {
		const struct limbo_item *item = &limbo->items[i];

		mapping_forget(attached, item->at, item->at + (item->end - item->start));
	}
	limbo->count -= count;
	memmove(limbo->items, limbo->items + count, limbo->count * sizeof(*limbo->items));
	limbo->since_ns = limbo->count ? monotonic_ns() : 0;
}

void limbo_free(struct limbo *limbo)
{
	free(limbo->items);
	*limbo = (struct limbo){0};
}
