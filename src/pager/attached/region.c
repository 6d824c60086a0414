/* SPDX-License-Identifier: MIT */
#include "pager/attached/region.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/array.h"

/* Index of the first region that ends after the address. */
static size_t first_after(const struct region_list *list, uint64_t address)
{
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (list->items[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int make_room(struct region_list *list)
{
	return array_grow((void **)&list->items, &list->capacity, list->count + 1,
			  sizeof(*list->items));
}

static void insert_at(struct region_list *list, size_t at, struct region region)
{
	memmove(&list->items[at + 1], &list->items[at], (list->count - at) * sizeof(region));
	list->items[at] = region;
	list->count++;
}

int region_add(struct region_list *list, uint64_t start, uint64_t end)
{
	struct region region = {.start = start, .end = end};

	if (make_room(list))
		return -ENOMEM;
	insert_at(list, first_after(list, start), region);
	return 0;
}

int region_grow(struct region_list *list, uint64_t start, uint64_t end)
{
	struct region *before = start ? region_find(list, start - 1) : NULL;

	if (!before)
		return region_add(list, start, end);
	before->end = end;
	return 0;
}

int region_remove(struct region_list *list, uint64_t start, uint64_t end)
{
	size_t first = first_after(list, start), last;

	if (start >= end)
		return 0;
	if (make_room(list))
		return -ENOMEM;
	if (first < list->count && list->items[first].start < start) {
		struct region tail = list->items[first];

		list->items[first].end = start;
		first++;
		if (tail.end > end) {
			tail.start = end;
			insert_at(list, first, tail);
			return 0;
		}
	}
	for (last = first; last < list->count && list->items[last].end <= end; last++)
		;
	memmove(&list->items[first], &list->items[last],
		(list->count - last) * sizeof(list->items[0]));
	list->count -= last - first;
	if (first < list->count && list->items[first].start < end)
		list->items[first].start = end;
	return 0;
}

struct region *region_find(const struct region_list *list, uint64_t address)
{
	size_t at = first_after(list, address);

	if (at == list->count || list->items[at].start > address)
		return NULL;
	return &list->items[at];
}

bool region_gap(const struct region_list *list, uint64_t start, uint64_t end, uint64_t *from,
		uint64_t *to)
{
	size_t at = first_after(list, start);

	while (start < end && at < list->count && list->items[at].start <= start)
		start = list->items[at++].end;
	if (start >= end)
		return false;
	*from = start;
	*to = at < list->count && list->items[at].start < end ? list->items[at].start : end;
	return true;
}

bool region_any(const struct region_list *list, uint64_t start, uint64_t end)
{
	size_t at = first_after(list, start);

	return start < end && at < list->count && list->items[at].start < end;
}

int region_copy(struct region_list *to, const struct region_list *from)
{
	to->items = malloc((from->count + 1) * sizeof(*to->items));
	if (!to->items)
		return -ENOMEM;
	if (from->count)
		memcpy(to->items, from->items, from->count * sizeof(*to->items));
	to->count = from->count;
	to->capacity = from->count + 1;
	return 0;
}

void region_free(struct region_list *list)
{
	free(list->items);
	memset(list, 0, sizeof(*list));
}
