/* SPDX-License-Identifier: MIT */
/*
 * Events. The program's thread sleeps in its system call until the event is read,
 * and goes on at that moment: REMOVE comes before the pages are dropped, UNMAP,
 * REMAP and FORK after the fact. REMOVE and UNMAP come, too, when nothing goes (doubts.h).
 *
 * FORK and REMAP need every page to be either here or there: a batch under way is
 * brought to an end first (batch_quiesce), while nothing else can move.
 */
#include "pager/changes/event.h"

#include <string.h>
#include "pager/attached/batch.h"
#include "pager/attached/doubts.h"
#include "pager/attached/say.h"
#include "pager/attached/state.h"
#include "pager/changes/children.h"
#include "pager/changes/moved.h"
#include "pager/changes/who.h"

static void apply_remap(struct attached *attached, const struct uffd_msg *message)
{
	const struct remap remap = {
		.from = message->arg.remap.from,
		.to = message->arg.remap.to,
		.length = message->arg.remap.len,
		.mover = who_moves(attached, message->arg.remap.from),
	};

	if (remap.from == remap.to || !remap.length)
		return;
	batch_quiesce(attached);
	moved_apply(attached, &remap);
}

void event_apply(struct attached *attached, const struct uffd_msg *message)
{
	size_t older = attached->changes.limbo.count;

	assert_writing(&attached->lock);
	switch (message->event) {
	case UFFD_EVENT_REMOVE:
		doubts_remove(attached, message->arg.remove.start, message->arg.remove.end);
		break;
	case UFFD_EVENT_UNMAP:
		who_has_unmapped(attached, message->arg.remove.start, message->arg.remove.end);
		moved_unmap(attached, message->arg.remove.start, message->arg.remove.end);
		break;
	case UFFD_EVENT_REMAP:
		apply_remap(attached, message);
		break;
	case UFFD_EVENT_FORK:
		batch_quiesce(attached);
		children_add(attached, (int)message->arg.fork.ufd);
		break;
	default:
		pager_say(attached->pager, "unknown userfaultfd event %#x", message->event);
	}
	moved_drop_older(attached, older);
}
