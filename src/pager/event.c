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

#include <string.h>
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

static void forget(struct attached *attached, uint64_t start, uint64_t end)
{
	if (start >= end)
		return;
	clear(attached, start, end);
	if (region_remove(&attached->regions, start, end))
		pager_lose(attached);
}

/* The first of the mappings moved into [start, end), of those from number `first` on. */
static const struct remap *first_moved(const struct attached *attached, unsigned int first,
				       uint64_t start, uint64_t end)
{
	const struct remap *found = NULL;

	for (unsigned int i = first; i < attached->moved_count; i++) {
		const struct remap *moved = &attached->moved[i];

		if (moved->to < end && moved->to + moved->length > start &&
		    (!found || moved->to < found->to))
			found = moved;
	}
	return found;
}

/* The move that sends this UNMAP for where it moved from; moved_count if it is none of them. */
static unsigned int sender(const struct attached *attached, uint64_t start, uint64_t end)
{
	unsigned int i = 0;

	while (i < attached->moved_count &&
	       (attached->moved[i].from != start || attached->moved[i].length != end - start))
		i++;
	return i;
}

static bool is_registered(const struct attached *attached, uint64_t address)
{
	return maps_is_registered(attached->has_agent ? attached->target.agent_tid : attached->pid,
				  address);
}

/* Something else has moved there: what our regions have there is gone. */
static bool is_replaced(const struct attached *attached, uint64_t address)
{
	for (unsigned int i = 0; i < attached->parked_count && i < REMAPS; i++)
		if (attached->parked[i].to <= address &&
		    address < attached->parked[i].to + attached->parked[i].length)
			return true;
	return false;
}

bool event_find_unclear(const struct attached *attached, const struct remap *unmap,
			struct remap *unclear)
{
	uint64_t start = unmap->to, end = start + unmap->length;
	const struct remap *moved;

	if (sender(attached, start, end) < attached->moved_count)
		return false;
	while (start < end && (moved = first_moved(attached, 0, start, end))) {
		uint64_t from = moved->to > start ? moved->to : start;

		/* Without a region it has moved on, or is gone. */
		if (region_find(&attached->regions, from) &&
		    (is_replaced(attached, from) || !is_registered(attached, from))) {
			*unclear = *moved;
			return true;
		}
		start = moved->to + moved->length;
	}
	return false;
}

void event_forget_move(struct attached *attached, const struct remap *remap)
{
	for (unsigned int i = 0; i < attached->moved_count; i++)
		if (!memcmp(&attached->moved[i], remap, sizeof(*remap)))
			attached->moved[i].to = UINT64_MAX;
}

/*
 * A thread queues its UNMAP a moment after the addresses are free. Another thread's mremap may have
 * moved a mapping there meanwhile, and its REMAP have been read first: then this UNMAP is about
 * what was there before, and what has moved there is spared.
 *
 * mremap itself sends one for where it moved from, after its REMAP: all that moved there since is
 * spared. Of any other the server has found out, before (wait_until_clear).
 */
static void apply_unmap(struct attached *attached, uint64_t start, uint64_t end)
{
	unsigned int number = sender(attached, start, end), since = 0;
	const struct remap *moved;

	if (number < attached->moved_count) {
		attached->moved[number].from = 0; /* it sends but one */
		since = number + 1;
	}
	while (start < end && (moved = first_moved(attached, since, start, end))) {
		forget(attached, start, moved->to);
		start = moved->to + moved->length;
	}
	forget(attached, start, end);
}

/* The regions move with their mappings. (After MREMAP_DONTUNMAP the old range is still registered,
 * and empty: its next fault or the next look at the mappings finds it again.) */
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

static void move(struct attached *attached, uint64_t from, uint64_t to, uint64_t length)
{
	if (memory_move(attached->memory, from, to, length)) {
		pager_lose(attached);
		return;
	}
	move_regions(attached, from, to, length);
	region_remove(&attached->regions, from, from + length);
}

static void note_move(struct attached *attached, const struct remap *remap)
{
	if (attached->moved_count == REMAPS)
		memmove(&attached->moved[0], &attached->moved[1],
			--attached->moved_count * sizeof(attached->moved[0]));
	attached->moved[attached->moved_count++] = *remap;
}

/* Where nothing is mapped and no region is: far below where the kernel puts mappings. */
#define LIMBO_FIRST 0x200000000000ull
#define LIMBO_STEP  0x010000000000ull
#define LIMBO_LAST  0x500000000000ull

uint64_t event_park(struct attached *attached, const struct remap *remap)
{
	uint64_t inner = remap->from & ((1ull << CLUSTER_SHIFT) - 1);
	uint64_t limbo = LIMBO_FIRST + inner, at;

	evict_quiesce(attached);
	while (limbo < LIMBO_LAST && memory_next(attached->memory, limbo - inner, &at) &&
	       at < limbo + remap->length)
		limbo += LIMBO_STEP;
	move(attached, remap->from, limbo, remap->length);
	if (attached->parked_count < REMAPS)
		attached->parked[attached->parked_count] = *remap;
	attached->parked_count++;
	return limbo;
}

void event_unpark(struct attached *attached)
{
	attached->parked_count--;
}

void event_move(struct attached *attached, uint64_t from, const struct remap *remap)
{
	if (remap->from == remap->to || !remap->length)
		return;
	evict_quiesce(attached);
	move(attached, from, remap->to, remap->length);
	note_move(attached, remap);
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
	case UFFD_EVENT_FORK:
		evict_quiesce(attached);
		children_add(attached, (int)message->arg.fork.ufd);
		break;
	default:
		pager_say(attached->pager, "unknown userfaultfd event %#x", message->event);
	}
}
