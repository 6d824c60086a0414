/* SPDX-License-Identifier: MIT */
#include "pager/attached/moves.h"

#include <string.h>
#include "pager/attached/region.h"

const struct remap *moves_into(const struct moved *moved, uint64_t start, uint64_t end)
{
	const struct remap *found = NULL;

	for (unsigned int i = 0; i < moved->count; i++) {
		const struct remap *item = &moved->items[i];

		if (item->to < end && item->to + item->length > start &&
		    (!found || item->to < found->to))
			found = item;
	}
	return found;
}

const struct remap *moves_last_into(const struct moved *moved, uint64_t start, uint64_t end)
{
	for (unsigned int i = moved->count; i--;) {
		const struct remap *item = &moved->items[i];

		if (item->to < end && item->to + item->length > start)
			return item;
	}
	return NULL;
}

pid_t moves_owner(const struct moved *moved, uint64_t start, uint64_t end)
{
	for (unsigned int i = moved->count; i--;) {
		const struct remap *item = &moved->items[i];

		if (item->from < end && item->from + item->length > start)
			return 0; /* it has moved on */
		if (item->to < end && item->to + item->length > start)
			return item->to <= start && item->to + item->length >= end
				       ? item->mover.thread
				       : 0;
	}
	return 0;
}

bool moves_touch(const struct moved *moved, uint64_t start, uint64_t end)
{
	for (unsigned int i = 0; i < moved->count; i++) {
		const struct remap *item = &moved->items[i];

		if (item->from < end && item->from + item->length > start)
			return true;
	}
	return moves_into(moved, start, end);
}

void moves_note(struct moved *moved, const struct remap *remap)
{
	if (moved->count == MOVES) {
		memmove(&moved->items[0], &moved->items[1],
			--moved->count * sizeof(moved->items[0]));
		moved->forgotten++;
	}
	moved->items[moved->count++] = *remap;
}

bool moves_owe(const struct moved *moved, uint64_t start, uint64_t end)
{
	for (unsigned int i = 0; i < moved->count; i++) {
		const struct remap *item = &moved->items[i];

		if (!item->sent && item->from < end && item->from + item->length > start)
			return true;
	}
	return false;
}

/* How many items from this one on are the parts of one move from [start, end); 0: none. */
static unsigned int count_parts(const struct moved *moved, unsigned int first, uint64_t start,
				uint64_t end)
{
	uint64_t to = moved->items[first].to - start;

	for (unsigned int i = first; i < moved->count; i++) {
		const struct remap *item = &moved->items[i];

		if (item->sent || item->from != start || item->to - start != to)
			return 0;
		start += item->length;
		if (start == end)
			return i + 1 - first;
	}
	return 0;
}

bool moves_note_sent(struct moved *moved, uint64_t start, uint64_t end)
{
	unsigned int parts = 0;

	for (unsigned int i = 0; i < moved->count && !parts; i++) {
		parts = count_parts(moved, i, start, end);
		for (unsigned int part = 0; part < parts; part++)
			moved->items[i + part].sent = true;
	}
	return parts;
}

uint64_t moves_piece_end(const struct moved *moved, const struct region_list *regions,
			 uint64_t start, uint64_t end)
{
	const struct region *region = region_find(regions, start);
	uint64_t from, to;

	if (region)
		end = region->end < end ? region->end : end;
	else if (region_gap(regions, start, end, &from, &to))
		end = to;
	for (unsigned int i = 0; i < moved->count; i++) {
		uint64_t first = moved->items[i].to, behind = first + moved->items[i].length;

		if (first > start && first < end)
			end = first;
		if (behind > start && behind < end)
			end = behind;
	}
	return end;
}
