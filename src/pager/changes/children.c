/* SPDX-License-Identifier: MIT */
#include "pager/changes/children.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/ask_process.h"
#include "base/clock.h"
#include "base/page.h"
#include "base/proc.h"
#include "pager/attached/doomed.h"
#include "pager/attached/holder.h"
#include "pager/attached/mapping.h"
#include "pager/attached/moves.h"
#include "pager/attached/pagemap.h"
#include "pager/attached/proof.h"
#include "pager/attached/say.h"
#include "pager/attached/state.h"
#include "pager/attached/userfault.h"
#include "pager/changes/fit.h"
#include "pager/changes/moved.h"
#include "pager/changes/wipe.h"

/* How long to wait for a child to show itself after its FORK event, ns; from when on without
 * keeping the CPU busy: its parent may need just that. */
#define NEWBORN_NS 100000000u
#define BUSY_NS	   200000u
#define PAUSE_US   200
/* Most other processes that are remembered meanwhile. */
#define OTHERS 32
/* So many pages of a region are tried, for one that is missing. */
#define LOOKS 8

/* Of a process, from /proc/PID/stat. */
struct birth {
	unsigned long long started;	/* clock ticks since boot */
	unsigned long long stack_start; /* fork keeps it, exec changes it */
};

/* False: dead or not to be seen. */
static bool read_birth(pid_t pid, struct birth *birth)
{
	char text[PROC_STAT];
	const char *stat = proc_stat(pid, 0, text);
	const char *started = proc_field(stat, 22), *stack = proc_field(stat, 28);

	return started && stack && sscanf(started, "%llu", &birth->started) == 1 &&
	       sscanf(stack, "%llu", &birth->stack_start) == 1;
}

static unsigned long long ticks_now(void)
{
	struct timespec now;
	unsigned long long rate = (unsigned long long)sysconf(_SC_CLK_TCK);

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (unsigned long long)now.tv_sec * rate +
	       (unsigned long long)now.tv_nsec * rate / 1000000000u;
}

void children_note_stack(struct attached *attached)
{
	struct birth birth = {0};

	read_birth(attached->task.pid, &birth);
	attached->task.stack_start = birth.stack_start;
}

/* What moved while it was forked may be elsewhere in the child (follow_moves). */
static bool has_moved(const struct attached *parent, const struct region *region)
{
	return moves_into(&parent->changes.moved, region->start, region->end);
}

/* Stacks have pages that were never touched at their beginning, heaps at their end. */
static enum proof prove_by_region(const struct attached *child, int pagemap,
				  const struct region *region)
{
	uint64_t pages = (region->end - region->start) >> PAGE_SHIFT;
	enum proof proof = PROOF_NONE;

	for (uint64_t i = 0; i <= LOOKS && proof == PROOF_NONE; i++)
		proof = proof_at(child, pagemap,
				 region->start + ((pages - 1) * i / LOOKS << PAGE_SHIFT));
	return proof;
}

static enum proof prove(const struct attached *parent, struct attached *child, pid_t pid)
{
	enum proof proof = PROOF_NONE;
	int pagemap = pagemap_open(pid);

	if (pagemap < 0)
		return PROOF_NONE;
	for (size_t i = 0; i < child->regions.count && proof == PROOF_NONE; i++)
		if (!has_moved(parent, &child->regions.items[i]))
			proof = prove_by_region(child, pagemap, &child->regions.items[i]);
	if (proof == PROOF_YES)
		pagemap_keep(child, pagemap);
	else
		close(pagemap);
	return proof;
}

struct newborn {
	const struct attached *parent;
	struct attached *child;
	unsigned long long ticks;
	pid_t others[OTHERS]; /* proved not to be it */
	unsigned int other_count;
};

static bool is_other(const struct newborn *newborn, pid_t pid)
{
	for (unsigned int i = 0; i < newborn->other_count; i++)
		if (newborn->others[i] == pid)
			return true;
	return false;
}

static bool is_newborn(void *argument, pid_t pid)
{
	struct newborn *newborn = argument;
	const struct attached *parent = newborn->parent;
	struct birth birth;

	if (!read_birth(pid, &birth) || birth.stack_start != parent->task.stack_start ||
	    birth.started < newborn->ticks || is_other(newborn, pid) ||
	    holder_is_proved(parent->pager, pid, NULL) || ask_same_memory(parent->task.pid, pid))
		return false;
	switch (prove(parent, newborn->child, pid)) {
	case PROOF_YES:
		return true;
	case PROOF_NO:
		if (newborn->other_count < OTHERS)
			newborn->others[newborn->other_count++] = pid;
		return false;
	case PROOF_NONE:
		break;
	}
	/* No other child is looked for: it must be this one's process, if it is served at all. */
	return attached_count_unknown(parent->pager) == 1 && parent->regions.count &&
	       maps_any_registered(pid, parent->regions.items[0].start,
				   parent->regions.items[0].start + PAGE_BYTES);
}

/*
 * The event does not say which process the child is; the child shows itself a moment later, among
 * its parent's children. There may be others with a copy of the same memory (fork keeps where the
 * stack begins, exec does not): orphans, if the parent is a subreaper, and those from before it was
 * served. Should it not show itself in time, nothing is guessed until its first fault names it.
 */
static pid_t find_newborn(struct attached *parent, const struct unborn *unborn)
{
	struct newborn newborn = {
		.parent = parent,
		.child = unborn->child,
		.ticks = unborn->ticks,
	};
	uint64_t since = monotonic_ns(), waited;

	if (!parent->task.pid)
		return 0;
	do {
		pid_t pid = proc_each_child(parent->task.pid, is_newborn, &newborn);

		if (pid || userfault_is_gone(unborn->child->task.userfault))
			return pid;
		waited = monotonic_ns() - since;
		if (waited < BUSY_NS)
			sched_yield();
		else
			usleep(PAUSE_US);
	} while (waited < NEWBORN_NS);
	return 0;
}

/* What the child does not have (MADV_DONTFORK, or its parent unmapped it at the same time) must not
 * keep its parent's bytes: something else may come to lie there. */
static void drop_unmapped(struct attached *child, const struct maps *maps)
{
	uint64_t at = 0;

	for (size_t i = 0; i < maps->count; i++) {
		mapping_forget(child, at, maps->items[i].start);
		at = maps->items[i].end;
	}
	mapping_forget(child, at, MEMORY_END);
}

/*
 * Looks at the child's mappings, once. A change is announced (userfault_is_changing) before it
 * shows, and until its event has been read and the thread has gone on. So if nothing is announced
 * after the look, what was seen agrees with the events read so far; else it is looked at again with
 * the child's next message: what moved away meanwhile must not be taken for unmapped.
 */
void children_look(struct attached *child)
{
	struct maps maps = {0};

	assert_writing(&child->lock);
	if (child->task.pid && pagemap_is_proved(child) && !maps_read(child->task.pid, &maps) &&
	    !userfault_is_changing(child->task.userfault) && holder_is(child, child->task.pid)) {
		child->changes.needs_look = false;
		drop_unmapped(child, &maps);
	}
	maps_free(&maps);
}

struct birthplace {
	struct attached *child;
	struct region_list registered; /* in the child */
	bool changing;		       /* it may have moved something itself by then */
};

static void put(struct birthplace *place, const struct remap *remap, uint64_t slots)
{
	if (place->changing)
		moved_guess(place->child, remap, slots);
	else
		mapping_move(place->child, slots, remap->to, remap->length);
}

/* Something is registered where it came from, and where it went: mremap may have left an empty
 * mapping (MREMAP_DONTUNMAP), and either may be another one. The page table tells. */
static bool fits_better(const struct birthplace *place, const struct remap *remap, uint64_t slots)
{
	struct fit to = fit_of(place->child, slots, remap->to, remap->to + remap->length);
	struct fit from = fit_of(place->child, slots, remap->from, remap->from + remap->length);
	uint64_t there = fit_misfits(&to), here = fit_misfits(&from);

	return there < here || (there == here && !region_find(&place->child->regions, remap->to));
}

/* A move that was read after the FORK, though it had happened before: the child has its mapping
 * where it went to. (Its slots came to limbo in between, or before: then the child's did.) */
static void follow_move(struct birthplace *place, const struct remap *remap)
{
	const struct region_list *known = &place->child->regions;
	uint64_t from = region_find(known, remap->source) ? remap->source : remap->from;

	if (region_find(known, from) && region_find(&place->registered, remap->to) &&
	    (!region_find(&place->registered, remap->from) || fits_better(place, remap, from)))
		put(place, remap, from);
}

/* The other way round: it was read before the FORK, though it happened after. What is registered
 * where a move began is what moved, since nothing new is registered meanwhile (register.c). */
static void undo_move(struct birthplace *place, const struct remap *remap)
{
	const struct remap back = {
		.from = remap->to,
		.to = remap->from,
		.length = remap->length,
	};

	if (region_find(&place->child->regions, remap->to) &&
	    region_find(&place->registered, remap->from) &&
	    !region_find(&place->registered, remap->to))
		put(place, &back, back.from);
}

/* Each step asks where the one before has put the mapping: it may go to and fro. */
static void follow_moves(const struct attached *parent, const struct unborn *unborn)
{
	const struct moved *moved = &parent->changes.moved;
	struct birthplace place = {.child = unborn->child};
	unsigned int first = 0;

	if (!moved->count)
		return;
	if (unborn->moves > moved->forgotten)
		first = (unsigned int)(unborn->moves - moved->forgotten);
	if (!mapping_own_registered(unborn->child, &place.registered)) {
		place.changing = userfault_is_changing(unborn->child->task.userfault);
		for (unsigned int i = first; i--;)
			undo_move(&place, &moved->items[i]);
		for (unsigned int i = first; i < moved->count; i++)
			follow_move(&place, &moved->items[i]);
	}
	region_free(&place.registered);
}

static void be_born(struct attached *parent, const struct unborn *unborn)
{
	struct attached *child = unborn->child;

	holder_set(child, find_newborn(parent, unborn));
	follow_moves(parent, unborn);
	children_look(child);
	/* From now on its messages may be read. */
	unlock_write(&child->lock);
}

void children_born(struct attached *parent)
{
	assert_writing(&parent->lock);
	for (unsigned int i = 0; i < parent->changes.unborn_count; i++)
		be_born(parent, &parent->changes.unborn[i]);
	parent->changes.unborn_count = 0;
}

void children_add(struct attached *parent, int userfault)
{
	struct pager *pager = parent->pager;
	struct attached *child = attached_new(pager, userfault);
	struct unborn unborn = {
		.child = child,
		.moves = parent->changes.moved.forgotten + parent->changes.moved.count,
		.ticks = ticks_now(),
	};

	assert_writing(&parent->lock);
	if (!child) {
		doomed_add(pager, userfault);
		pager_lose(parent);
		return;
	}
	/* Its parent has ended, and took with it what had just left both. */
	if (parent->evict.lost) {
		pager_say(pager,
			  "a child of process %d is killed: its parent ended in the middle of "
			  "fork, with pages that had left both",
			  parent->task.pid);
		child->task.owed = true;
		attached_free(child);
		return;
	}
	fcntl(userfault, F_SETFL, O_NONBLOCK);
	fcntl(userfault, F_SETFD, FD_CLOEXEC);
	child->changes.needs_wipe = child->changes.needs_look = true;
	child->task.owed = true;
	parent->changes.forked = true;
	child->changes.forked = true;
	/* Another server may hear of it first, and must wait until it is born. */
	lock_write(&child->lock);
	child->task.stack_start = parent->task.stack_start;
	child->changes.doubts = parent->changes.doubts;
	if (memory_fork(parent->memory, child->memory) ||
	    region_copy(&child->regions, &parent->regions) || attached_list(child)) {
		pager_lose(parent);
		attached_free(child);
		return;
	}
	if (parent->changes.unborn_count < UNBORN)
		parent->changes.unborn[parent->changes.unborn_count++] = unborn;
	else
		be_born(parent, &unborn);
}

void children_first_fault(struct attached *child)
{
	assert_writing(&child->lock);
	/* If it cannot be read although its thread waits for us, it is dying. */
	if (child->task.pid && pagemap_is_proved(child))
		child->changes.needs_wipe = !wipe_child(child);
}

bool children_settle(struct attached *child)
{
	assert_writing(&child->lock);
	if (child->changes.needs_wipe)
		children_first_fault(child);
	if (child->changes.needs_look)
		children_look(child);
	return !child->changes.needs_wipe && !child->changes.needs_look;
}
