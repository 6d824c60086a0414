/* SPDX-License-Identifier: MIT */
#include "pager/moved.h"

#include <string.h>
#include "attach/maps.h"
#include "pager/mapping.h"
#include "pager/state.h"
#include "pager/userfault.h"

void moved_note(struct attached *attached, const struct remap *remap)
{
	struct moved *moved = &attached->moved;

	if (moved->count == MOVES)
		memmove(&moved->items[0], &moved->items[1],
			--moved->count * sizeof(moved->items[0]));
	moved->items[moved->count++] = *remap;
}

const struct remap *moved_into(const struct attached *attached, unsigned int first, uint64_t start,
			       uint64_t end)
{
	const struct moved *moved = &attached->moved;
	const struct remap *found = NULL;

	for (unsigned int i = first; i < moved->count; i++) {
		const struct remap *item = &moved->items[i];

		if (!item->gone && item->to < end && item->to + item->length > start &&
		    (!found || item->to < found->to))
			found = item;
	}
	return found;
}

unsigned int moved_sender(const struct attached *attached, uint64_t start, uint64_t end)
{
	const struct moved *moved = &attached->moved;
	unsigned int i = 0;

	while (i < moved->count && (moved->items[i].sent || moved->items[i].from != start ||
				    moved->items[i].length != end - start))
		i++;
	return i;
}

void moved_sent(struct attached *attached, unsigned int number)
{
	attached->moved.items[number].sent = true;
}

void moved_forget(struct attached *attached, const struct remap *remap)
{
	struct moved *moved = &attached->moved;

	for (unsigned int i = 0; i < moved->count; i++)
		if (moved->items[i].from == remap->from && moved->items[i].to == remap->to)
			moved->items[i].gone = true;
}

static pid_t process_of(const struct attached *attached)
{
	return attached->has_agent ? attached->target.agent_tid : attached->pid;
}

/* Something else has moved there: what our regions have there is gone. */
static bool is_replaced(const struct attached *attached, uint64_t address)
{
	const struct moved *moved = &attached->moved;

	for (unsigned int i = 0; i < moved->parked_count && i < PARKED; i++)
		if (moved->parked[i].to <= address &&
		    address < moved->parked[i].to + moved->parked[i].length)
			return true;
	return false;
}

static bool has_resident(const struct attached *attached, uint64_t start, uint64_t end)
{
	for (; start < end; start += PAGE_BYTES) {
		const slot_t *slot = memory_look(attached->memory, start);

		if (slot && desc_state(atomic_load(slot)) == DESC_RESIDENT)
			return true;
	}
	return false;
}

static void note_present(void *argument, uint64_t start, uint64_t end)
{
	bool *present = argument;

	*present = true;
}

/*
 * All pages that should be in [start, end) have left it without us. The thread that unmapped them
 * runs on as soon as its UNMAP is read, and may have let the mapping grow again to where it
 * reached: that is the same mapping, but its pages come from faults, which nobody serves now.
 */
static bool is_emptied(const struct attached *attached, uint64_t start, uint64_t end)
{
	bool present = false;

	return attached->has_agent && has_resident(attached, start, end) &&
	       !maps_present(attached->target.pagemap, start, end, note_present, &present) &&
	       !present;
}

/* What has moved to the regions of [start, end) still stands there. */
static bool still_stands(const struct attached *attached, uint64_t start, uint64_t end)
{
	return !is_replaced(attached, start) && !is_emptied(attached, start, end) &&
	       maps_is_registered(process_of(attached), start);
}

/* Where the first region in [start, end) begins; `end` if there is none. */
static uint64_t first_region(const struct attached *attached, uint64_t start, uint64_t end)
{
	uint64_t from, to;

	if (!region_gap(&attached->regions, start, end, &from, &to) || from > start)
		return start;
	return to;
}

bool moved_find_unclear(struct attached *attached, const struct remap *unmap, struct remap *unclear)
{
	uint64_t start = unmap->to, end = start + unmap->length;
	const struct remap *moved;

	if (moved_sender(attached, start, end) < attached->moved.count)
		return false;
	while (start < end && (moved = moved_into(attached, 0, start, end))) {
		uint64_t stop = moved->to + moved->length < end ? moved->to + moved->length : end;
		uint64_t from = first_region(attached, moved->to > start ? moved->to : start, stop);

		/* Without a region it has moved on, or is gone. */
		if (from < stop) {
			if (!still_stands(attached, from, stop)) {
				*unclear = *moved;
				return true;
			}
			attached->moved.spared = true;
		}
		start = moved->to + moved->length;
	}
	return false;
}

/* Where mappings have moved to, nothing may be left of them that is not registered: what comes to
 * lie there would be taken for theirs. */
static bool drop_unregistered(struct attached *attached)
{
	const struct moved *moved = &attached->moved;
	struct region_list registered = {0};
	bool sure = !mapping_registered(process_of(attached), &registered) &&
		    !userfault_is_changing(attached->userfault);

	for (unsigned int i = 0; sure && i < moved->count; i++) {
		uint64_t at = moved->items[i].to, end = at + moved->items[i].length, from, to;

		for (; at < end && region_gap(&registered, at, end, &from, &to); at = to)
			mapping_forget(attached, from, to);
	}
	region_free(&registered);
	return sure;
}

bool moved_settle(struct attached *attached)
{
	struct moved *moved = &attached->moved;

	if (!moved->count)
		return true;
	if (userfault_is_changing(attached->userfault))
		return false;
	if (moved->spared && !drop_unregistered(attached))
		return false;
	moved->count = 0;
	moved->spared = false;
	return true;
}
