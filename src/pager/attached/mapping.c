/* SPDX-License-Identifier: MIT */
#include "pager/attached/mapping.h"

#include <errno.h>
#include "attach/maps.h"
#include "pager/attached/batch.h"
#include "pager/attached/holder.h"
#include "pager/attached/lock.h"
#include "pager/attached/pagemap.h"
#include "pager/attached/region.h"
#include "pager/attached/say.h"
#include "pager/attached/state.h"
#include "pager/attached/userfault.h"
#include "space/space.h"

/* The kernel scans no further: nothing is mapped in the last page before MEMORY_END. */
#define SCAN_END (MEMORY_END - PAGE_BYTES)

/* The agent knows addresses only: it must not go on with those whose pages are
 * somebody else's from now on. The writer's lock keeps it out until it is told. */
static void withdraw(struct attached *attached, uint64_t start, uint64_t end)
{
	struct batch *batch = &attached->batch;

	if (!attached->task.has_agent || batch->state != BATCH_MOVING)
		return;
	for (unsigned int i = 0; i < batch->count; i++)
		if (batch->address[i] >= start && batch->address[i] < end) {
			lock_expel_agent(&attached->lock);
			return;
		}
}

void mapping_empty(struct attached *attached, uint64_t start, uint64_t end)
{
	assert_writing(&attached->lock);
	withdraw(attached, start, end);
	if (memory_clear(attached->memory, start, end))
		pager_lose(attached);
}

void mapping_forget(struct attached *attached, uint64_t start, uint64_t end)
{
	assert_writing(&attached->lock);
	if (start >= end)
		return;
	mapping_empty(attached, start, end);
	if (region_remove(&attached->regions, start, end))
		pager_lose(attached);
}

/* They move with their mappings. */
static void move_regions(struct attached *attached, uint64_t from, uint64_t to, uint64_t length)
{
	struct region_list *regions = &attached->regions;
	uint64_t end = from + length, at = from, gap_start, gap_end;

	region_remove(regions, to, to + length);
	while (at < end) {
		const struct region *region = region_find(regions, at);
		uint64_t stop;

		if (!region) {
			if (!region_gap(regions, at, end, &gap_start, &gap_end))
				return;
			at = gap_end;
			continue;
		}
		stop = region->end < end ? region->end : end;
		if (region_add(regions, at - from + to, stop - from + to))
			pager_lose(attached);
		at = stop;
	}
}

void mapping_move(struct attached *attached, uint64_t from, uint64_t to, uint64_t length)
{
	assert_writing(&attached->lock);
	if (memory_move(attached->memory, from, to, length)) {
		pager_lose(attached);
		return;
	}
	move_regions(attached, from, to, length);
	region_remove(&attached->regions, from, from + length);
}

struct registered {
	struct region_list *list;
	int error;
};

static void note_registered(void *argument, uint64_t start, uint64_t end)
{
	struct registered *registered = argument;

	if (!registered->error)
		registered->error = region_add(registered->list, start, end);
}

int mapping_registered(pid_t pid, struct region_list *list)
{
	struct registered registered = {.list = list};
	int error = maps_each_registered(pid, note_registered, &registered);

	return error ? error : registered.error;
}

pid_t mapping_task(const struct attached *attached)
{
	return attached->task.has_agent ? attached->target.agent_tid : attached->task.pid;
}

int mapping_own_registered(const struct attached *attached, struct region_list *list)
{
	struct registered registered = {.list = list};
	int pagemap = attached->pager->evict.marks ? pagemap_of(attached) : -1;
	int error;

	if (pagemap >= 0)
		error = maps_marking(pagemap, 0, SCAN_END, note_registered, &registered);
	else
		error = maps_each_registered(mapping_task(attached), note_registered, &registered);
	if (!error && pagemap < 0 && !holder_is(attached, attached->task.pid))
		error = -ESRCH;
	return error ? error : registered.error;
}

static void note_any(void *argument, uint64_t start, uint64_t end)
{
	bool *any = argument;

	(void)start;
	(void)end;
	*any = true;
}

bool mapping_any_registered(const struct attached *attached, uint64_t start, uint64_t end)
{
	int pagemap = attached->pager->evict.marks ? pagemap_of(attached) : -1;
	bool any = false;

	if (pagemap < 0)
		return maps_any_registered(mapping_task(attached), start, end);
	return !maps_marking(pagemap, start, end, note_any, &any) && any;
}

void mapping_forget_others(struct attached *attached, const struct region_list *registered)
{
	uint64_t from, to;

	for (uint64_t at = 0; region_gap(registered, at, MEMORY_END, &from, &to); at = to)
		mapping_forget(attached, from, to);
}

/* What happens while they are read has an event in flight. */
bool mapping_forget_unregistered(struct attached *attached)
{
	struct region_list registered = {0};
	bool sure = !userfault_is_changing(attached->task.userfault) &&
		    !mapping_own_registered(attached, &registered) &&
		    !userfault_is_changing(attached->task.userfault);

	assert_writing(&attached->lock);
	if (sure)
		mapping_forget_others(attached, &registered);
	region_free(&registered);
	return sure;
}

bool mapping_forget_strangers(struct attached *attached)
{
	bool sure;

	lock_write(&attached->lock);
	sure = mapping_forget_unregistered(attached);
	unlock_write(&attached->lock);
	return sure;
}
