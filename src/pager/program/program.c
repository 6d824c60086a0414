/* SPDX-License-Identifier: MIT */
#include "pager/program/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "pager/attached/mapping.h"
#include "pager/attached/say.h"
#include "pager/attached/state.h"
#include "pager/attached/userfault.h"
#include "pager/changes/children.h"
#include "pager/changes/moved.h"
#include "pager/faults/fetch.h"
#include "pager/faults/starve.h"
#include "pager/program/register.h"

/* A program whose threads do not stop in this time is left running, ms. */
#define STOP_PATIENCE_MS 200
/* How often progress is told. */
#define PROGRESS_NS 200000000ull
/* A device that does not answer for so long does not answer. */
#define ANSWER_NS 5000000000ull
/* Pages that cannot be read are tried again after this, microseconds. */
#define AGAIN_US 200000
/* What an agent's way out waits for is said after the first; after the second it stays, ns. */
#define TELL_NS	    2000000000ull
#define TOO_LONG_NS 60000000000ull
/* So much writable code is worth staging of that kind in the program. */
#define CODE_WORTH    (1u << 20)
#define CODE_AGAIN_NS 5000000000u

struct recording {
	struct attached *attached;
	int error;
};

/* A run of present pages: those without a descriptor become resident. */
static void record_run(void *argument, uint64_t start, uint64_t end)
{
	struct recording *recording = argument;
	struct memory *memory = recording->attached->memory;

	for (uint64_t at = start; at < end && !recording->error; at += PAGE_BYTES) {
		slot_t *slot = memory_look(memory, at);

		/* A cluster that a child shares, and that knows of the page, stays shared. */
		if (slot && desc_state(atomic_load(slot)) != DESC_ABSENT)
			continue;
		slot = memory_bind(memory, at);
		if (!slot)
			recording->error = -ENOMEM;
		else
			slot_change(slot, DESC_ABSENT, DESC_RESIDENT);
	}
}

static int record_region(struct recording *recording, struct region *region)
{
	struct attached *attached = recording->attached;
	int error = maps_present(attached->target.pagemap, region->start, region->end, record_run,
				 recording);

	if (!error)
		error = recording->error;
	if (!error)
		region->unrecorded = false;
	return error;
}

/*
 * A forked child that is served already, though the servers do not know yet which process it is,
 * must not get a second userfaultfd: its mappings are registered. So are those of a program that
 * uses one itself, which is told from it by trying again when all children are known.
 */
static bool may_be_served(const struct attached *attached)
{
	return attached->process->tries == 0 || attached_count_unknown(attached->pager);
}

/* With every thread stopped: registers and records all. */
static int take_stock(struct attached *attached, struct maps *maps)
{
	struct recording recording = {.attached = attached};
	int error = register_stopped(attached, maps);

	for (size_t i = 0; i < attached->regions.count && !error; i++)
		error = record_region(&recording, &attached->regions.items[i]);
	return error;
}

static int first_stop(struct target *target, void *argument)
{
	struct attached *attached = argument;
	struct maps *maps = &attached->pager->maps;
	int error;

	attached->userfault = fcntl(target->userfault, F_DUPFD_CLOEXEC, 0);
	if (attached->userfault < 0)
		return -errno;
	lock_write(&attached->lock);
	children_note_stack(attached);
	error = maps_read(target->agent_tid, maps);
	if (!error)
		error = maps_check_flags(target->agent_tid, maps, NULL, NULL);
	if (!error && maps->registered && may_be_served(attached))
		error = -EAGAIN;
	if (!error)
		error = take_stock(attached, maps);
	unlock_write(&attached->lock);
	return error;
}

/* Its parent's regions may not all be registered in a child; what would leave must be. */
static void forget_unregistered(struct attached *attached, const struct region_list *registered)
{
	uint64_t at = 0;

	for (size_t i = 0; i < registered->count; i++) {
		mapping_forget(attached, at, registered->items[i].start);
		at = registered->items[i].end;
	}
	mapping_forget(attached, at, MEMORY_END);
}

/*
 * What is registered in the child. That the agent's new area can be registered for it there shows
 * that this is the process which the userfaultfd belongs to: -EAGAIN if it is not.
 */
static int find_registered(const struct attached *child, const struct target *target,
			   struct region_list *registered)
{
	uint64_t area = target->staging[0];
	int error = 0;

	if (userfault_register(child->userfault, area, PAGE_BYTES))
		return -EAGAIN;
	error = mapping_registered(target->agent_tid, registered);
	userfault_unregister(child->userfault, area, PAGE_BYTES);
	if (!error && !region_find(registered, area))
		error = -EAGAIN;
	region_remove(registered, area, area + PAGE_BYTES);
	return error;
}

/* The same for a child that is served already: what it has of its parent's is known. */
static int adopting_stop(struct target *target, void *argument)
{
	struct attached *attached = argument;
	struct maps *maps = &attached->pager->maps;
	struct region_list registered = {0};
	int error;

	lock_write(&attached->lock);
	error = find_registered(attached, target, &registered);
	/* Nothing is in flight, since every thread stands still. */
	if (!error && (!children_settle(attached) || !moved_settle(attached)))
		error = -EAGAIN;
	if (!error)
		forget_unregistered(attached, &registered);
	if (!error)
		error = maps_read(target->agent_tid, maps);
	if (!error)
		error = maps_check_flags(target->agent_tid, maps, NULL, NULL);
	if (!error)
		error = take_stock(attached, maps);
	unlock_write(&attached->lock);
	region_free(&registered);
	return error;
}

static struct attached *prepare(struct pager *pager, struct process *process,
				char message[MESSAGE_BYTES])
{
	struct attached *attached = attached_new(pager, -1);

	if (!attached) {
		explain(message, -ENOMEM, "out of memory");
		return NULL;
	}
	attached->process = process;
	attached->group = process->group;
	attached->pid = process->pid;
	return attached;
}

/* From now on the agent is behind the lock's gate, and pages may leave. Not before all that could
 * fail is done: the channel goes with the agent. */
static void use_agent(struct attached *attached)
{
	lock_write(&attached->lock);
	attached->batch.command = 0;
	lock_set_gate(&attached->lock, &attached->target.channel->gate);
	attached->has_agent = attached->owed = true;
	unlock_write(&attached->lock);
}

/* It has an agent now: it is served. */
static int take_over(struct process *process, struct attached *attached)
{
	struct pager *pager = attached->pager;

	use_agent(attached);
	pager->was_attached = true;
	attached->pidfd = fcntl(attached->target.pidfd, F_DUPFD_CLOEXEC, 0);
	process->attached = attached;
	process->shared_ns = 0;
	attached->shared_pages = process->shared;
	attached_set_pages(attached, process->pages);
	atomic_fetch_sub(&pager->resident_pages, process->pages);
	process->pages = 0;
	return attached_list(attached);
}

/* The program has memory that is written to and executed: it needs staging of that kind. Asked for
 * once, or again later if its threads did not stop. */
static void stage_code(struct attached *attached, uint64_t bytes)
{
	uint64_t now = monotonic_ns();
	int error;

	if (bytes < CODE_WORTH || now < attached->code_ns || attached->target.stages_code)
		return;
	error = attach_stage_code(&attached->target, STOP_PATIENCE_MS);
	attached->code_ns = error == -ETIMEDOUT ? now + CODE_AGAIN_NS : UINT64_MAX;
	if (!error)
		attached->fixed.next_ns = 0; /* what was refused so far can leave now */
}

int program_attach(struct pager *pager, struct process *process, char message[MESSAGE_BYTES])
{
	struct attached *attached = prepare(pager, process, message);
	int error;

	if (!attached)
		return -ENOMEM;
	error = attach_inject(process->pid, -1, &attached->target, first_stop, attached, message);
	if (error) {
		attached_free(attached);
		return error;
	}
	error = take_over(process, attached);
	if (!error) {
		stage_code(attached, pager->maps.code_bytes);
	} else {
		/* Nothing has left yet: closing the userfaultfd sets it free. */
		attached->owed = false;
		explain(message, 0, "out of memory");
		attach_leave(&attached->target, message);
		attached_bury(attached);
	}
	return error;
}

int program_adopt(struct pager *pager, struct process *process, char message[MESSAGE_BYTES])
{
	struct attached *child = process->attached;
	int error;

	error = attach_inject(process->pid, child->userfault, &child->target, adopting_stop, child,
			      message);
	if (!error)
		use_agent(child);
	return error;
}

int program_register_new(struct attached *attached)
{
	struct maps *maps = &attached->pager->maps;
	int error = maps_read(attached->target.agent_tid, maps);

	if (error)
		return error;
	/* What it maps may be for its own. After the list has been read: not before it can be. */
	if (own_userfault(&attached->own_userfault, attached->pid, attached->target.agent_tid))
		return 0;
	lock_write(&attached->lock);
	error = register_running(attached, maps);
	unlock_write(&attached->lock);
	stage_code(attached, maps->code_bytes);
	return error;
}

static int later_stop(struct target *target, void *argument)
{
	struct attached *attached = argument;
	struct recording recording = {.attached = attached};
	int error = 0;

	lock_write(&attached->lock);
	batch_quiesce(attached);
	for (size_t i = 0; i < attached->regions.count && !error; i++)
		error = record_region(&recording, &attached->regions.items[i]);
	unlock_write(&attached->lock);
	return error;
}

int program_record(struct attached *attached)
{
	return attach_stop(&attached->target, STOP_PATIENCE_MS, later_stop, attached);
}

/* Memory lock held for reading, given up here: the page needs its device. How many slots it went
 * past: one that cannot be read is counted, or given up. */
static unsigned int bring_back_one(struct attached *attached, uint64_t address, slot_t *slot,
				   struct bring_back *work)
{
	enum fault_result result = fetch_ask_once(attached, address, slot, atomic_load(slot));
	int error = 0;

	unlock_read(&attached->lock);
	if (result == FAULT_FETCHED)
		error = fetch_wait(attached->pager, ANSWER_NS, &work->device);
	else
		usleep(100);
	if (error == -ETIMEDOUT)
		work->stuck = true;
	if (!error || work->stuck)
		return 0;
	if (work->lose || error == -EILSEQ) {
		if (!attached_lock_private(attached, address))
			return 1;
		result = fill_give_up(attached, address);
		unlock_read(&attached->lock);
		return result == FAULT_DONE;
	}
	work->unreadable++;
	work->error = error;
	return 1;
}

/* One run of a cluster; how many slots it went past. */
static unsigned int bring_back_run(struct attached *attached, uint64_t address, unsigned int slots,
				   struct bring_back *work)
{
	struct fill_buffers *buffers = attached->pager->control_buffers;
	unsigned int filled = 0, passed = 0;
	enum fault_result result = FAULT_DONE;
	const struct region *region;
	slot_t *slot;

	if (!attached_lock_private(attached, address))
		return slots;
	slot = memory_look(attached->memory, address);
	region = region_find(&attached->regions, address);
	while (slot && passed < slots &&
	       (desc_state(atomic_load(&slot[passed])) == DESC_RESIDENT ||
		desc_state(atomic_load(&slot[passed])) == DESC_ABSENT ||
		desc_state(atomic_load(&slot[passed])) == DESC_BAD))
		passed++;
	if (!slot)
		passed = slots;
	if (passed == 0 && region) {
		uint64_t room = (region->end - address) >> PAGE_SHIFT;
		unsigned int run = slots < RUN_PAGES ? slots : RUN_PAGES;

		run = room < run ? (unsigned int)room : run;
		result = fill_swapped(attached, buffers, address, run, &filled);
		passed = filled;
	}
	starve_mark(attached, &work->changing_ns, result == FAULT_CHANGING);
	if (result == FAULT_DEVICE)
		return bring_back_one(attached, address, slot, work);
	unlock_read(&attached->lock);
	if (result != FAULT_DONE)
		usleep(100); /* an event, a batch or a fault first */
	else if (!passed)
		passed = 1; /* its mapping is gone: nothing to bring back */
	return passed;
}

/* Once over all of it. */
static void bring_back_pass(struct attached *attached, struct bring_back *work)
{
	uint64_t at = 0, base;

	work->unreadable = 0;
	while (!attached->dead && !work->stuck) {
		uint64_t left = 0;
		uint32_t cluster;
		bool tell;

		lock_read(&attached->lock);
		cluster = memory_next(attached->memory, at, &base);
		tell = work->progress && monotonic_ns() - work->told_ns > PROGRESS_NS;
		if (tell)
			left = attached_swapped_pages(attached);
		unlock_read(&attached->lock);
		if (tell) {
			work->progress(work->argument, left);
			work->told_ns = monotonic_ns();
		}
		if (cluster == SPACE_NO_CLUSTER)
			return;
		if (base > at)
			at = base;
		at += (uint64_t)bring_back_run(attached, at,
					       CLUSTER_SLOTS - (unsigned int)(at >> PAGE_SHIFT &
									      (CLUSTER_SLOTS - 1)),
					       work)
		      << PAGE_SHIFT;
	}
}

/* Nothing leaves any more. What waits in limbo cannot be brought back there: if nothing is in
 * flight it is nobody's. */
static void settle_moves(struct attached *attached)
{
	attached->paused = true;
	lock_write(&attached->lock);
	batch_quiesce(attached);
	moved_settle(attached);
	unlock_write(&attached->lock);
}

int program_bring_back(struct attached *attached, struct bring_back *work)
{
	uint64_t progress_ns = monotonic_ns(), least = UINT64_MAX;

	work->stuck = false;
	for (;;) {
		settle_moves(attached);
		bring_back_pass(attached, work);
		starve_mark(attached, &work->changing_ns, false);
		if (attached->dead)
			return -ESRCH;
		if (work->stuck)
			return -ETIMEDOUT;
		if (!work->unreadable)
			return 0;
		if (work->unreadable < least) {
			least = work->unreadable;
			progress_ns = monotonic_ns();
		}
		if (work->hasty || monotonic_ns() - progress_ns > FETCH_PATIENCE_NS)
			return -EIO;
		if (work->progress)
			work->progress(work->argument, least);
		usleep(AGAIN_US);
	}
}

/* All is back: from now on it lives without us. */
static void unregister_all(struct attached *attached)
{
	attached->owed = false;
	for (size_t i = 0; i < attached->regions.count; i++)
		userfault_unregister(attached->userfault, attached->regions.items[i].start,
				     attached->regions.items[i].end -
					     attached->regions.items[i].start);
}

/* Last look with every thread stopped: what is not back now would be lost. */
static int last_stop(struct target *target, void *argument)
{
	struct attached *attached = argument;
	int error = 0;

	lock_write(&attached->lock);
	if (!moved_settle(attached) || attached_swapped_pages(attached))
		error = -EAGAIN;
	if (!error)
		unregister_all(attached);
	unlock_write(&attached->lock);
	return error;
}

/*
 * The channel goes with the agent, and the lock's gate is in it. Something may be registered that
 * is no region (register.c): its events must still be read, or their threads could not be stopped.
 */
static int agent_out(struct attached *attached, char message[MESSAGE_BYTES])
{
	uint64_t since = monotonic_ns(), waited;
	bool told = false;
	int error;

	lock_write(&attached->lock);
	attached->has_agent = false;
	lock_set_gate(&attached->lock, NULL);
	unlock_write(&attached->lock);
	attached_barrier(attached);
	do {
		error = attach_leave(&attached->target, message);
		waited = monotonic_ns() - since;
		if (error == -ETIMEDOUT && waited > TELL_NS && !told) {
			told = true;
			pager_say(attached->pager, "waiting to let go of process %d: %s",
				  attached->pid, message);
		}
	} while (error == -ETIMEDOUT && waited < TOO_LONG_NS);
	if (error != -ETIMEDOUT)
		return error;
	/* All is back, so it does no harm there. */
	pager_say(attached->pager,
		  "process %d could not be stopped: a sleeping thread of ours stays in it until it "
		  "ends",
		  attached->pid);
	attach_forget(&attached->target);
	return 0;
}

void program_explain(const struct attached *attached, const struct bring_back *work, int error,
		     char message[MESSAGE_BYTES])
{
	if (error == -EIO)
		explain(message, 0,
			"process %d: %llu pages cannot be read from backend %s (%s), the others "
			"are "
			"back; it is served as before; mend the device and try again, or give "
			"these pages up: vswap detach --lose-unreadable",
			attached->pid, (unsigned long long)work->unreadable, work->device,
			strerror(-work->error));
	else
		explain(message, 0,
			"process %d: backend %s does not answer; it is served as before; look at "
			"the device (dmesg) and try again",
			attached->pid, work->device);
}

int program_release(struct attached *attached, bool lose, char message[MESSAGE_BYTES])
{
	struct bring_back work = {.lose = lose, .hasty = true};
	pid_t pid = attached->pid;
	int error = -EAGAIN, back = 0;

	/* A child without an agent has a process to stop all the same. */
	attached->target.pid = pid;
	for (int tries = 0; tries < 50 && error == -EAGAIN; tries++) {
		error = attach_stop(&attached->target, STOP_PATIENCE_MS, last_stop, attached);
		if (error == -ETIMEDOUT)
			error = -EAGAIN;
		else if (error == -EAGAIN && (back = program_bring_back(attached, &work)) &&
			 back != -ESRCH)
			break;
	}
	if (back && back != -ESRCH) {
		program_explain(attached, &work, back, message);
		return back;
	}
	if (error && error != -ESRCH)
		return explain(message, error, "cannot let go of process %d: %s", pid,
			       strerror(-error));
	error = attached->has_agent ? agent_out(attached, message) : 0;
	attached_unlist(attached);
	attached_free(attached);
	return error == -ESRCH ? 0 : error;
}

int program_abandon(struct attached *attached)
{
	struct bring_back work = {.hasty = true};
	int error;

	do {
		error = program_bring_back(attached, &work);
		lock_write(&attached->lock);
		if (!error && attached_swapped_pages(attached))
			error = -EAGAIN;
		if (!error)
			unregister_all(attached);
		unlock_write(&attached->lock);
	} while (error == -EAGAIN);
	if (error != -EIO && error != -ETIMEDOUT)
		attached_bury(attached);
	return error;
}
