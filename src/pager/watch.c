/* SPDX-License-Identifier: MIT */
/*
 * The periodic work of the control thread. Below the budget a program is only
 * watched: one read of statm, the more often the nearer it is. Above, new
 * mappings are registered soon after they appear, and when pages that no
 * descriptor knows of pile up, a short stop of all threads records them.
 */
#include <errno.h>
#include <string.h>
#include "pager/futex.h"
#include "pager/program.h"
#include "pager/state.h"

/* The fastest growth that watching must keep up with, bytes a microsecond. */
#define GROWTH_PER_US 2000u
#define DELAY_LEAST   500
#define DELAY_MOST    20000
#define DELAY_PAGING  1000
#define RETRY_NS      1000000000u
/* Mappings are read again when the total size changed, at most this part of the time... */
#define SCAN_SHARE 20
/* ... and in any case this often. */
#define SCAN_NS 200000000u
/* Unknown pages: recorded when they are this part of the budget, at most this often. */
#define UNKNOWN_PARTS 50
#define RECORD_NS     10000000u
/* ... and, since it holds up the program, at most this part of the time. */
#define RECORD_SHARE 4
#define PEAKS_NS     100000000u

static int not_attached(struct pager *pager)
{
	char message[PAGER_MESSAGE];
	struct process_size size;
	uint64_t mark = budget_attach_bytes(pager), now = monotonic_ns();
	int error;

	if (maps_size(pager->statm, &size))
		return -ESRCH;
	if (size.anonymous + pager->own_bytes > pager->peak_bytes)
		pager->peak_bytes = size.anonymous + pager->own_bytes;
	if (size.anonymous < mark) {
		uint64_t delay = (mark - size.anonymous) / GROWTH_PER_US;

		return delay < DELAY_LEAST ? DELAY_LEAST
					   : (int)(delay < DELAY_MOST ? delay : DELAY_MOST);
	}
	if (pager->left_alone || pager->paused || now - pager->tried_ns < RETRY_NS)
		return DELAY_MOST;
	error = attach_allowed(pager->pid, message);
	if (!error)
		error = program_attach(pager, message);
	if (!error)
		return DELAY_LEAST;
	pager->tried_ns = now;
	if (error == -ESRCH)
		return DELAY_LEAST;
	if (error != -EAGAIN && error != -ETIMEDOUT) {
		pager->left_alone = true;
		pager_say(pager, "process %d is left alone: %s", pager->pid, message);
	}
	return DELAY_MOST;
}

static int look_at_mappings(struct pager *pager, const struct process_size *size)
{
	uint64_t now = monotonic_ns(), age = now - pager->scanned_ns;
	int error;

	if (age < pager->scan_cost_ns * SCAN_SHARE)
		return 0;
	if (size->total == pager->scanned_total && age < SCAN_NS)
		return 0;
	error = program_register_new(pager);
	pager->scanned_total = size->total;
	pager->scanned_ns = monotonic_ns();
	pager->scan_cost_ns = pager->scanned_ns - now;
	return error;
}

static void record_unknown(struct pager *pager)
{
	struct attached *program = pager->program;
	uint64_t count[8], known, resident, now = monotonic_ns();

	resident = (uint64_t)program->resident_pages;
	if (now < pager->record_ns || pager->paused ||
	    program->resident_pages < pager->target_pages - pager->target_pages / 16)
		return;
	lock_read(&program->lock);
	memory_count(program->memory, count);
	unlock_read(&program->lock);
	known = count[DESC_RESIDENT] + count[DESC_LEAVING];
	pager->record_ns = monotonic_ns() + RECORD_NS;
	if (resident <= known + (pager->limit_bytes >> PAGE_SHIFT) / UNKNOWN_PARTS)
		return;
	now = monotonic_ns();
	if (program_record(pager) == -ESRCH)
		program->dead = true;
	/* A stop costs the program time: the longer it took, the later the next. */
	pager->record_ns += (monotonic_ns() - now) * RECORD_SHARE;
}

static int attached_tick(struct pager *pager)
{
	struct attached *program = pager->program;
	struct process_size size;
	char message[PAGER_MESSAGE];

	if (program->dead || !attach_alive(&program->target)) {
		program_forget(pager); /* gone, or another program by exec */
		return DELAY_LEAST;
	}
	if (pager->agent_refused) {
		pager->left_alone = true;
		pager_say(pager,
			  "process %d has installed a seccomp filter: its pages are brought "
			  "back and it is left alone",
			  pager->pid);
		program_abandon(pager);
		return DELAY_LEAST;
	}
	if (attach_abandoned(&program->target)) {
		/* Only the agent keeps the process: nobody needs its memory any more. */
		program_stop_threads(pager);
		if (attach_leave(&program->target, message) != -ETIMEDOUT)
			program_forget(pager);
		return DELAY_LEAST;
	}
	budget_refresh(pager);
	if (monotonic_ns() - pager->peaks_ns > PEAKS_NS) {
		figures_keep_peaks(pager);
		pager->peaks_ns = monotonic_ns();
	}
	if (program->resident_pages > pager->target_pages)
		evictor_kick(pager);
	if (maps_size(program->target.statm, &size))
		return DELAY_LEAST;
	if (look_at_mappings(pager, &size) == -ESRCH)
		return DELAY_LEAST;
	record_unknown(pager);
	return DELAY_PAGING;
}

int pager_tick(struct pager *pager)
{
	if (pager->pid <= 0)
		return -ESRCH;
	return pager->program ? attached_tick(pager) : not_attached(pager);
}
