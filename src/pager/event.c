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
#include "pager/mapping.h"
#include "pager/state.h"

/*
 * What has moved there since is spared (moved.h): of mremap's own UNMAP all that moved there after
 * it, of any other what the server has not found to be what was unmapped (wait_until_clear).
 */
static void apply_unmap(struct attached *attached, uint64_t start, uint64_t end)
{
	unsigned int number = moved_sender(attached, start, end), since = 0;
	const struct remap *moved;

	if (number < attached->moved.count) {
		moved_sent(attached, number);
		since = number + 1;
	}
	while (start < end && (moved = moved_into(attached, since, start, end))) {
		mapping_forget(attached, start, moved->to);
		start = moved->to + moved->length;
	}
	mapping_forget(attached, start, end);
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
	mapping_move(attached, remap->from, limbo, remap->length);
	if (attached->moved.parked_count < PARKED)
		attached->moved.parked[attached->moved.parked_count] = *remap;
	attached->moved.parked_count++;
	return limbo;
}

void event_unpark(struct attached *attached)
{
	attached->moved.parked_count--;
}

void event_move(struct attached *attached, uint64_t from, const struct remap *remap)
{
	if (remap->from == remap->to || !remap->length)
		return;
	evict_quiesce(attached);
	mapping_move(attached, from, remap->to, remap->length);
	moved_note(attached, remap);
}

void event_apply(struct attached *attached, const struct uffd_msg *message)
{
	switch (message->event) {
	case UFFD_EVENT_REMOVE:
		mapping_empty(attached, message->arg.remove.start, message->arg.remove.end);
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
