/* SPDX-License-Identifier: MIT */
/*
 * What the program mapped in one call must stay one mapping, or its mremap says EFAULT. The
 * kernel joins no registered mapping with an unregistered one, and two that were touched while
 * they were apart never again: each then has page bookkeeping (an anon_vma) of its own.
 *
 *     one mmap     |rw-                                |
 *     mprotect     |rw-              |---              |   only this half was registered...
 *     touched      |rw- A, registered|---              |
 *     mprotect     |rw- A, registered|rw-              |   ... so they do not join,
 *     touched      |rw- A, registered|rw- B            |   and now never will
 *
 * So a mapping is registered together with all private anonymous ones that stand in a row with
 * it, however they are protected at the moment. And the list of mappings is old when the lock
 * has been got: each is looked at again right before it is registered, with the hole behind it, and
 * its neighbour right after. A mapping that has been touched is no matter: its parts share their
 * bookkeeping, and join whenever that is made good.
 */
#include "pager/program/register.h"

#include <errno.h>
#include <unistd.h>
#include "pager/attached/state.h"
#include "pager/attached/userfault.h"
#include "pager/changes/moved.h"

/* Mappings that change while they are registered are looked at again. */
#define REGISTER_ROUNDS 3
#define ROW_TURNS	4

struct look {
	struct attached *attached;
	struct maps *maps;
	int query; /* /proc/PID/maps, or -1: only the list is there to look at */
	struct region_list fresh;
};

static bool is_ours(const struct target *target, const struct mapping *mapping)
{
	return mapping->start < target->agent_address + target->agent_bytes &&
	       mapping->end > target->agent_address;
}

static bool find_in_list(const struct maps *maps, uint64_t address, struct mapping *found)
{
	size_t low = 0, high = maps->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (maps->items[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == maps->count || maps->items[low].start > address)
		return false;
	*found = maps->items[low];
	return true;
}

/* The mapping at the address, if it is one to register. */
static bool look_at(const struct look *look, uint64_t address, struct mapping *found)
{
	if (look->query >= 0) {
		if (maps_query(look->query, address, found))
			return false;
	} else if (!find_in_list(look->maps, address, found)) {
		return false;
	}
	return (found->pageable || found->joins) && found->end <= MEMORY_END &&
	       !is_ours(&look->attached->target, found);
}

/* Where the hole behind `end` ends; `end` if there is none, or nothing is known. */
static uint64_t end_of_hole(const struct look *look, uint64_t end)
{
	uint64_t next;

	if (look->query < 0 || maps_query_next(look->query, end, &next))
		return end;
	return next;
}

/* The first part of [at, end) that is neither in a region nor fresh. */
static bool next_gap(const struct look *look, uint64_t at, uint64_t end, uint64_t *from,
		     uint64_t *to)
{
	while (region_gap(&look->attached->regions, at, end, from, to)) {
		if (region_gap(&look->fresh, *from, *to, from, to))
			return true;
		at = *to;
	}
	return false;
}

static bool is_new(const struct look *look, uint64_t address, struct mapping *found)
{
	uint64_t from, to;

	return look_at(look, address, found) &&
	       next_gap(look, found->start, found->end, &from, &to);
}

/*
 * Registers new mappings in a row, whole: what the regions seem to have of it may be what stood
 * there before, whose UNMAP waits to be read. All at once: mprotect may make one of them any time.
 * 1: the kernel refuses (another userfaultfd has some of it, it is gone).
 */
static int register_range(struct look *look, uint64_t start, uint64_t end)
{
	uint64_t from, to, at = start;
	struct mapping now;
	int error = userfault_register(look->attached->task.userfault, start, end - start,
				       look->attached->pager->evict.marks);

	if (error)
		return error == -ESRCH ? error : 1;
	for (; !error && at < end && look_at(look, at, &now); at = now.end) {
		uint64_t stop = now.end < end ? now.end : end;

		for (; !error && next_gap(look, at, stop, &from, &to); at = to)
			error = region_add(&look->fresh, from, to);
	}
	return error;
}

/* One by one, since the kernel takes all or none; what it refuses is left alone. */
static int register_each(struct look *look, uint64_t start, uint64_t end)
{
	struct mapping now;
	int error = 0;

	for (; error >= 0 && start < end && look_at(look, start, &now); start = now.end)
		error = register_range(look, now.start, now.end);
	return error < 0 ? error : 0;
}

/*
 * A mapping that was seen, as things are now, with all new ones in a row with it, and the hole
 * behind: it may grow this moment. Then again on both sides: new mappings are placed from above, so
 * that a larger one which has taken the place of one seen shares the end with it.
 */
static int register_row(struct look *look, const struct mapping *seen)
{
	uint64_t start = seen->start, end = start, from, to;
	struct mapping now;
	int error = 0;

	if (!next_gap(look, seen->start, seen->end, &from, &to))
		return 0;
	for (unsigned int turn = 0; !error && turn < ROW_TURNS; turn++) {
		uint64_t length = end - start;

		while (is_new(look, end, &now))
			end = now.end;
		while (start && is_new(look, start - 1, &now))
			start = now.start;
		if (end - start == length)
			break;
		error = register_range(look, start, end_of_hole(look, end));
		if (error > 0)
			error = register_each(look, start, end);
	}
	return error;
}

/*
 * Once more, what stands there now: a mapping put into a hole of the range since is not registered,
 * and pages that leave it would come back as zeros. Afterwards none can take the place of what is
 * registered without an event.
 */
static void register_again(struct look *look)
{
	struct mapping now;

	for (size_t i = 0; i < look->fresh.count; i++)
		if (look_at(look, look->fresh.items[i].start, &now))
			userfault_register(look->attached->task.userfault, now.start,
					   now.end - now.start, look->attached->pager->evict.marks);
}

/*
 * Of what was registered, takes into the regions what is now part of one single mapping. The
 * program may have changed its mappings since they were looked at: the kernel registers what it
 * finds in a range. A mapping that is in one piece here, and was there when it was registered
 * again, is registered: registered and unregistered ones do not merge. What does not fit is looked
 * at again in the next round. It is never unregistered: that could hit a mapping with swapped pages
 * which has moved there this moment. While events are in flight nothing is decided: a registered
 * mapping may have moved to where this one was seen.
 */
static int confirm(struct look *look)
{
	struct attached *attached = look->attached;
	struct mapping now;
	int error = 0;

	for (size_t i = 0; i < look->fresh.count && !error; i++) {
		const struct region *region = &look->fresh.items[i];
		bool single = look_at(look, region->start, &now) && now.end >= region->end;

		if (userfault_is_changing(attached->task.userfault))
			break;
		if (!single)
			continue;
		/* A descriptor means something only inside a region. */
		error = memory_clear(attached->memory, region->start, region->end);
		if (!error)
			error = region_add(&attached->regions, region->start, region->end);
		attached->watch.unknowable = 0; /* they are among these */
	}
	return error;
}

static int register_mappings(struct look *look, unsigned int rounds)
{
	struct maps *maps = look->maps;
	int error = 0;

	while (rounds-- && !error) {
		look->fresh.count = 0;
		for (size_t i = 0; i < maps->count && !error; i++)
			if (maps->items[i].pageable || maps->items[i].joins)
				error = register_row(look, &maps->items[i]);
		if (error || !look->fresh.count)
			break;
		register_again(look);
		if (look->query < 0)
			error = maps_read(look->attached->target.agent_tid, maps);
		if (!error)
			error = confirm(look);
	}
	region_free(&look->fresh);
	return error;
}

int register_stopped(struct attached *attached, struct maps *maps)
{
	struct look look = {.attached = attached, .maps = maps, .query = -1};

	return register_mappings(&look, 1);
}

int register_running(struct attached *attached, struct maps *maps)
{
	struct look look = {.attached = attached, .maps = maps};
	struct mapping first;
	int error;

	assert_writing(&attached->lock);
	/* What an UNMAP in flight is about is told by what is registered there (moved.c, doubts.c):
	 * nothing new may be. */
	if (!moved_is_calm(attached))
		return 0;
	look.query = maps_open(attached->target.agent_tid);
	if (look.query >= 0 && maps->count &&
	    maps_query(look.query, maps->items[0].start, &first) == -ENOTTY) {
		close(look.query);
		look.query = -1;
	}
	error = register_mappings(&look, REGISTER_ROUNDS);
	if (look.query >= 0)
		close(look.query);
	return error;
}
