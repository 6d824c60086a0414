/* SPDX-License-Identifier: MIT */
/*
 * Events. The program's thread sleeps in its system call until the event is read,
 * and goes on at that moment: REMOVE comes before the pages are dropped, UNMAP,
 * REMAP and FORK after the fact.
 *
 * FORK and REMAP need every page to be either here or there: a batch under way is
 * brought to an end first (evict_quiesce), while nothing else can move.
 */
#include "pager/event.h"

#include "pager/children.h"
#include "pager/evict.h"
#include "pager/state.h"

/* The agent knows addresses only: it must not go on with those whose pages are
 * somebody else's from now on. The writer's lock keeps it out until it is told. */
static void withdraw(struct attached *attached, uint64_t start, uint64_t end)
{
	struct batch *batch = &attached->batch;

	if (!attached->has_agent || batch->state != BATCH_MOVING)
		return;
	for (unsigned int i = 0; i < batch->count; i++)
		if (batch->address[i] >= start && batch->address[i] < end) {
			lock_expel_agent(&attached->lock);
			return;
		}
}

static void clear(struct attached *attached, uint64_t start, uint64_t end)
{
	withdraw(attached, start, end);
	if (memory_clear(attached->memory, start, end))
		pager_lose(attached);
}

static void apply_unmap(struct attached *attached, uint64_t start, uint64_t end)
{
	clear(attached, start, end);
	if (region_remove(&attached->regions, start, end))
		pager_lose(attached);
}

/* The regions move with their mappings; what lay at the destination was unmapped before
 * (an UNMAP event of its own). */
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
		if (region_add(regions, at - from + to, stop - from + to, region->unrecorded))
			pager_lose(attached);
		at = stop;
	}
}

static void apply_remap(struct attached *attached, uint64_t from, uint64_t to, uint64_t length)
{
	if (from == to || !length)
		return;
	evict_quiesce(attached);
	if (memory_move(attached->memory, from, to, length)) {
		pager_lose(attached);
		return;
	}
	move_regions(attached, from, to, length);
}

void event_apply(struct attached *attached, const struct uffd_msg *message)
{
	switch (message->event) {
	case UFFD_EVENT_REMOVE:
		clear(attached, message->arg.remove.start, message->arg.remove.end);
		break;
	case UFFD_EVENT_UNMAP:
		apply_unmap(attached, message->arg.remove.start, message->arg.remove.end);
		break;
	case UFFD_EVENT_REMAP:
		apply_remap(attached, message->arg.remap.from, message->arg.remap.to,
			    message->arg.remap.len);
		break;
	case UFFD_EVENT_FORK:
		evict_quiesce(attached);
		children_add(attached, (int)message->arg.fork.ufd);
		break;
	default:
		pager_say(attached->pager, "unknown userfaultfd event %#x", message->event);
	}
	atomic_fetch_add(&attached->epoch, 1);
}
