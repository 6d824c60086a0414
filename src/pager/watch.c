/* SPDX-License-Identifier: MIT */
/*
 * The periodic work of the control thread. Below the budget the processes are only
 * watched: one read of statm for each, the more often the nearer they are. Above, new
 * mappings are registered soon after they appear, and when pages that no
 * descriptor knows of pile up, a short stop of all threads records them.
 */
#include "pager/watch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "attach/allowed.h"
#include "attach/timeouts.h"
#include "attach/trace.h"
#include "base/clock.h"
#include "pager/attached/doomed.h"
#include "pager/attached/kick.h"
#include "pager/attached/say.h"
#include "pager/attached/state.h"
#include "pager/job/budget.h"
#include "pager/job/groups.h"
#include "pager/job/load.h"
#include "pager/job/tree.h"
#include "pager/left.h"
#include "pager/pager.h"
#include "pager/program/program.h"
#include "pager/program/record.h"
#include "pager/program/release.h"
#include "pager/threads.h"

/* The fastest growth that watching must keep up with, bytes a microsecond. */
#define GROWTH_PER_US 2000u
#define DELAY_LEAST   500
#define DELAY_MOST    20000
#define DELAY_PAGING  1000
#define DELAY_QUIET   5000
/* While pages come and go where the kernel kills above the budget. */
#define DELAY_STRICT 300
/* What the job may gain unseen between two looks, as a part of its budget. */
#define UNSEEN_SHARE 64
/* It is quiet when no page comes or goes and the sizes change by less, pages. */
#define QUIET_PAGES 16
/* Mappings are read again when the total size changed, at most this part of the time... */
#define SCAN_SHARE	  20
#define SCAN_SHARE_STRICT 3
/* ... and in any case this often. */
#define SCAN_NS 200000000u
/* Unknown pages: recorded when they are this part of the budget, at most this often. */
#define UNKNOWN_PARTS 50
#define RECORD_NS     10000000u
/* Pages that are unknown for so long, at each of so many looks, stay so. */
#define LASTING_NS    1000000000u
#define LASTING_LOOKS 4
/* ... counting them takes this part of the time at most... */
#define COUNT_SHARE 100
/* ... and, since it holds up the program, at most this part of the time. */
#define RECORD_SHARE 4
/* What could not be read when a process was to be left alone is tried again after this. */
#define ABANDON_NS 10000000000ull

static void try_to_attach(struct pager *pager, struct process *process)
{
	char message[MESSAGE_BYTES];
	int error = attach_allowed(process->pid, message);

	if (!error && process->attached)
		error = program_adopt(process, message);
	else if (!error)
		error = threads_start(pager, message) ?: program_attach(pager, process, message);
	if (error)
		left_refused(pager, process, error, message);
	else if (process->tries)
		left_forget(pager, process);
}

/* When the job nears its budget, or a group its limit, the largest process that has no agent gets
 * one, if it is worth it. Says how soon this must be asked again, microseconds. */
static int attach_largest(struct pager *pager)
{
	uint64_t mark = budget_attach_bytes(pager), used = figures_resident_bytes(pager), delay;
	uint64_t left = groups_until_near(pager), job_left = used < mark ? mark - used : 0;
	struct process *process;

	if (job_left < left)
		left = job_left;
	if (left) {
		delay = left / GROWTH_PER_US;
		return delay < DELAY_LEAST ? DELAY_LEAST
					   : (int)(delay < DELAY_MOST ? delay : DELAY_MOST);
	}
	process = pager->budget.paused ? NULL : tree_largest(pager, !job_left);
	if (!process)
		return pager->budget.strict ? DELAY_PAGING : DELAY_QUIET;
	try_to_attach(pager, process);
	groups_look(pager);
	return DELAY_LEAST;
}

static int look_at_mappings(struct attached *attached, const struct process_size *size)
{
	uint64_t now = monotonic_ns(), age = now - attached->watch.scanned_ns;
	int error;

	if (age < attached->watch.scan_cost_ns *
			  (attached->pager->budget.strict ? SCAN_SHARE_STRICT : SCAN_SHARE))
		return 0;
	if (size->total == attached->watch.scanned_total && age < SCAN_NS)
		return 0;
	error = program_register_new(attached);
	attached->watch.scanned_total = size->total;
	attached->watch.scanned_ns = monotonic_ns();
	attached->watch.scan_cost_ns = attached->watch.scanned_ns - now;
	return error;
}

/* Resident pages that no descriptor knows of. */
static int64_t count_unknown(struct attached *attached)
{
	uint64_t count[8];

	lock_read(&attached->lock);
	memory_count(attached->memory, count);
	unlock_read(&attached->lock);
	return attached->count.resident_pages -
	       (int64_t)(count[DESC_RESIDENT] + count[DESC_LEAVING]);
}

/* Pages must leave it, now or soon. */
static bool is_pressed(const struct attached *attached)
{
	const struct pager *pager = attached->pager;

	return pager->budget.resident_pages >=
		       pager->budget.target_pages - pager->budget.target_pages / 16 ||
	       !group_until_near(attached->group);
}

/*
 * What stays unknown can be no page of ours. New mappings are unknown, too, until they are
 * registered and recorded: taken for what cannot leave, they would raise the target while a program
 * fills one after the other.
 */
static void note_unknown(struct attached *attached, int64_t unknown, uint64_t now)
{
	if (unknown < 0)
		unknown = 0;
	if (unknown < attached->watch.unmanaged)
		attached->watch.unmanaged = unknown;
	if (!attached->watch.unknown_looks || unknown < attached->watch.unknown_least)
		attached->watch.unknown_least = unknown;
	if (!attached->watch.unknown_looks++)
		attached->watch.unknown_ns = now;
	if (attached->watch.unknown_looks < LASTING_LOOKS ||
	    now - attached->watch.unknown_ns < LASTING_NS)
		return;
	attached->watch.unmanaged = attached->watch.unknown_least;
	attached->watch.unknown_looks = 0;
}

static void record_unknown(struct attached *attached)
{
	struct pager *pager = attached->pager;
	uint64_t now = monotonic_ns(), limit = group_tightest(attached->group);
	int64_t unknown, many;

	if (now < attached->watch.record_ns || pager->budget.paused || !is_pressed(attached))
		return;
	if (limit > pager->budget.limit_bytes)
		limit = pager->budget.limit_bytes;
	many = (int64_t)(limit >> PAGE_SHIFT) / UNKNOWN_PARTS;
	unknown = count_unknown(attached);
	attached->watch.record_ns = now + RECORD_NS + (monotonic_ns() - now) * COUNT_SHARE;
	if (unknown < attached->watch.unknowable)
		attached->watch.unknowable = unknown;
	note_unknown(attached, unknown, now);
	if (unknown <= attached->watch.unknowable + many)
		return;
	now = monotonic_ns();
	record_again(attached); /* failed: later; gone: attend sees it */
	attached->watch.unknowable = count_unknown(attached);
	/* A stop costs the program time: the longer it took, the later the next. */
	attached->watch.record_ns += (monotonic_ns() - now) * RECORD_SHARE;
}

/* Not all of it may be readable at once; a device that does not answer holds up this thread. */
static void abandon(struct attached *attached)
{
	char why[MESSAGE_BYTES];
	struct process *process = attached->watch.process;
	uint64_t now = monotonic_ns();

	if (now < attached->watch.abandon_ns)
		return;
	if (!process->left_alone) {
		snprintf(why, sizeof(why), "it %s", attached->evict.refused);
		left_note(attached->pager, process, why);
		pager_say(attached->pager,
			  "process %d %s: its pages are brought back and it is left alone",
			  process->pid, attached->evict.refused);
	}
	process->left_alone = true;
	attached->watch.abandon_ns = now + ABANDON_NS;
	release_abandoned(attached, false, why);
}

/* The chores of one address space that pages may leave. It may be gone afterwards. */
static void attend(struct attached *attached)
{
	struct process_size size;
	char message[MESSAGE_BYTES];

	if (attached->task.dead || !attach_alive(&attached->target)) {
		attached_bury(attached); /* gone, or another program by exec */
		return;
	}
	if (attached->evict.refused) {
		abandon(attached);
		return;
	}
	if (attach_abandoned(&attached->target)) {
		/* Only the agent keeps the process: nobody needs its memory any more. */
		attached_unlist(attached);
		attach_leave(&attached->target, message);
		attached_free(attached);
		return;
	}
	if (maps_size(attached->target.statm, &size))
		return;
	if (look_at_mappings(attached, &size) != -ESRCH)
		record_unknown(attached);
}

/*
 * While nothing happens, less often. New memory raises no fault until it is registered: what a
 * program can allocate between two looks must stay harmless.
 */
static int paging_delay(struct pager *pager)
{
	const struct counters *counters = &pager->figures.counters;
	uint64_t traffic = counters->pages_in + counters->pages_out + counters->pages_zeroed;
	int64_t grown = pager->budget.resident_pages - pager->watch.resident_seen;
	uint64_t limit = groups_lowest_limit(pager), longest;
	bool quiet =
		traffic == pager->watch.traffic_seen && grown < QUIET_PAGES && grown > -QUIET_PAGES;

	if (limit > pager->budget.limit_bytes)
		limit = pager->budget.limit_bytes;
	longest = limit / UNSEEN_SHARE / GROWTH_PER_US;
	pager->watch.traffic_seen = traffic;
	pager->watch.resident_seen = pager->budget.resident_pages;
	pager->watch.delay = quiet		    ? pager->watch.delay + DELAY_PAGING
			     : pager->budget.strict ? DELAY_STRICT
						    : DELAY_PAGING;
	if (pager->watch.delay > DELAY_QUIET)
		pager->watch.delay = DELAY_QUIET;
	if (pager->watch.delay > DELAY_PAGING && (uint64_t)pager->watch.delay > longest)
		pager->watch.delay = longest > DELAY_PAGING ? (int)longest : DELAY_PAGING;
	return pager->watch.delay;
}

int pager_tick(struct pager *pager)
{
	uint64_t now = monotonic_ns();
	bool pressed, paging = false;
	int delay, longest;

	if (!pager->job.tree.root)
		return -ESRCH;
	doomed_look(pager);
	keepers_mend(pager->job.keepers); /* not now: with the next tick */
	budget_refresh(pager);
	pressed = figures_resident_bytes(pager) * 2 > budget_attach_bytes(pager) ||
		  groups_are_pressed(pager);
	tree_refresh(pager, pressed);
	groups_look(pager);
	figures_look(pager, now);
	load_look(pager, now);
	delay = attach_largest(pager);
	if (pager->budget.resident_pages > pager->budget.target_pages || groups_must_evict(pager))
		evictor_kick(pager);
	for (size_t i = 0; i < pager->job.tree.count; i++) {
		struct attached *attached = pager->job.tree.items[i]->attached;

		if (!attached || !attached->task.has_agent)
			continue;
		attend(attached);
		paging = true;
	}
	longest = paging_delay(pager);
	if (paging && delay > longest)
		delay = longest;
	delay = timeouts_end(delay, trace_touch);
	return pager->job.tree.count || pager->listing.count ? delay : -ESRCH;
}
