/* SPDX-License-Identifier: MIT */
/*
 * A range that is under MADV_WIPEONFORK when we look was so at the fork, or the child has made it
 * so since, and then all its parent's bytes are there. Which of both:
 *
 *   a page that was resident in the parent is there      the child's own doing: a child that
 *                                                        begins without it could only have got
 *                                                        it from us, and we look first
 *   there were resident ones, and none is there          the fork's
 *   none was resident                                    the fork's, if its parent has the range
 *                                                        under it, or is no more
 */
#include "pager/changes/wipe.h"

#include <unistd.h>
#include "attach/maps.h"
#include "base/ask.h"
#include "base/proc.h"
#include "pager/attached/holder.h"
#include "pager/attached/mapping.h"
#include "pager/attached/pagemap.h"
#include "pager/attached/state.h"
#include "pager/attached/userfault.h"

struct look {
	struct attached *child;
	int pagemap;
	struct region_list parents; /* ranges that the parent has under it, if they are known */
	bool parent_looked_at, parents_known;
	bool unsure; /* who the parent is, or what it has, could not be asked */
};

static bool was_resident(const struct attached *child, uint64_t page)
{
	const slot_t *slot = memory_look(child->memory, page);

	return slot && desc_state(atomic_load(slot)) == DESC_RESIDENT;
}

struct count {
	const struct attached *child;
	bool found;
};

static void find_resident(void *argument, uint64_t start, uint64_t end)
{
	struct count *count = argument;

	for (uint64_t at = start; at < end && !count->found; at += PAGE_BYTES)
		count->found = was_resident(count->child, at);
}

static void note_range(void *argument, uint64_t start, uint64_t end)
{
	struct look *look = argument;

	if (region_add(&look->parents, start, end))
		look->parents_known = false;
}

/* The parent's number, if it is a process of the same family: fork has made the one of the other.
 */
static pid_t find_parent(const struct attached *child)
{
	struct pager *pager = child->pager;
	pid_t pid = proc_parent(child->task.pid), found = 0;

	pthread_mutex_lock(&pager->listing.lock);
	for (size_t i = 0; i < pager->listing.count && pid; i++)
		if (pager->listing.items[i]->task.pid == pid &&
		    pager->listing.items[i]->task.stack_start == child->task.stack_start &&
		    holder_is(pager->listing.items[i], pid))
			found = pid;
	pthread_mutex_unlock(&pager->listing.lock);
	return found;
}

static bool is_parents_too(struct look *look, uint64_t start)
{
	struct maps none = {0};
	pid_t parent;

	if (!look->parent_looked_at) {
		unsigned int unanswered = ask_unanswered();

		parent = find_parent(look->child);
		look->parent_looked_at = true;
		look->parents_known = true;
		if (!parent || maps_check_flags(parent, &none, note_range, look))
			look->parents_known = false;
		look->unsure = ask_unanswered() != unanswered;
	}
	if (look->unsure)
		return false;
	return !look->parents_known || region_find(&look->parents, start);
}

static bool began_empty(struct look *look, uint64_t start, uint64_t end)
{
	struct count was = {look->child, false}, is = {look->child, false};

	find_resident(&was, start, end);
	/* What the child has dropped itself is no evidence until we have read of it. */
	if (was.found && !maps_present(look->pagemap, start, end, find_resident, &is) &&
	    (is.found || !userfault_is_changing(look->child->task.userfault)))
		return !is.found;
	return is_parents_too(look, start);
}

static void wipe(void *argument, uint64_t start, uint64_t end)
{
	struct look *look = argument;

	if (began_empty(look, start, end))
		mapping_empty(look->child, start, end);
}

bool wipe_child(struct attached *child)
{
	struct look look = {.child = child};
	struct maps none = {0};
	bool done;

	assert_writing(&child->lock);
	look.pagemap = pagemap_open(child->task.pid);
	if (look.pagemap < 0)
		return false;
	done = !maps_check_flags(child->task.pid, &none, wipe, &look) &&
	       holder_is(child, child->task.pid) && !look.unsure;
	region_free(&look.parents);
	close(look.pagemap);
	return done;
}
