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
#include "pager/attached/pagemap.h"
#include "pager/attached/state.h"
#include "pager/attached/userfault.h"
#include "pager/changes/children.h"
#include "pager/changes/moved.h"
#include "pager/program/record.h"
#include "pager/program/register.h"

/* So much writable code is worth staging of that kind in the program. */
#define CODE_WORTH    (1u << 20)
#define CODE_AGAIN_NS 5000000000u

/*
 * A forked child that is served already, though the servers do not know yet which process it is,
 * must not get a second userfaultfd: its mappings are registered. So are those of a program that
 * uses one itself, which is told from it by trying again when all children are known.
 */
static bool may_be_served(const struct attached *attached)
{
	return attached->watch.process->tries == 0 || attached_count_unknown(attached->pager);
}

static int first_stop(struct target *target, void *argument)
{
	struct attached *attached = argument;
	struct maps *maps = &attached->pager->job.maps;
	int error;

	attached->task.userfault = fcntl(target->userfault, F_DUPFD_CLOEXEC, 0);
	if (attached->task.userfault < 0)
		return -errno;
	lock_write(&attached->lock);
	children_note_stack(attached);
	error = maps_read(target->agent_tid, maps);
	if (!error)
		error = maps_check_flags(target->agent_tid, maps, NULL, NULL);
	if (!error && maps->registered && may_be_served(attached))
		error = -EAGAIN;
	if (!error)
		error = record_all(attached, maps);
	unlock_write(&attached->lock);
	return error;
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

	if (userfault_register(child->task.userfault, area, PAGE_BYTES, false))
		return -EAGAIN;
	error = mapping_registered(target->agent_tid, registered);
	userfault_unregister(child->task.userfault, area, PAGE_BYTES);
	if (!error && !region_find(registered, area))
		error = -EAGAIN;
	region_remove(registered, area, area + PAGE_BYTES);
	return error;
}

/* The same for a child that is served already: what it has of its parent's is known. */
static int adopting_stop(struct target *target, void *argument)
{
	struct attached *attached = argument;
	struct maps *maps = &attached->pager->job.maps;
	struct region_list registered = {0};
	int error;

	lock_write(&attached->lock);
	error = find_registered(attached, target, &registered);
	if (!error && !pagemap_is_proved(attached))
		pagemap_keep(attached, pagemap_open(target->agent_tid));
	if (!error && !pagemap_is_proved(attached))
		error = -EAGAIN;
	/* Every thread stands still, but another process may have the same memory (CLONE_VM): what
	 * it is moving is not registered where it was, and its event has not been read. */
	if (!error && (!moved_is_calm(attached) || !children_settle(attached)))
		error = -EAGAIN;
	/* Its parent's regions may not all be registered; what would leave must be. */
	if (!error)
		mapping_forget_others(attached, &registered);
	if (!error)
		error = maps_read(target->agent_tid, maps);
	if (!error)
		error = maps_check_flags(target->agent_tid, maps, NULL, NULL);
	if (!error)
		error = record_all(attached, maps);
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
	attached->watch.process = process;
	attached->group = process->group;
	attached->task.pid = process->pid;
	return attached;
}

/* From now on the agent is behind the lock's gate, and pages may leave. Not before all that could
 * fail is done: the channel goes with the agent. */
static void use_agent(struct attached *attached)
{
	lock_write(&attached->lock);
	attached->batch.command = 0;
	lock_set_gate(&attached->lock, &attached->target.channel->gate);
	attached->task.has_agent = attached->task.owed = true;
	unlock_write(&attached->lock);
}

/* It has an agent now: it is served. */
static int take_over(struct process *process, struct attached *attached)
{
	struct pager *pager = attached->pager;

	use_agent(attached);
	pager->job.was_attached = true;
	attached->task.pidfd = fcntl(attached->target.pidfd, F_DUPFD_CLOEXEC, 0);
	process->attached = attached;
	process->shared_ns = 0;
	attached->count.shared_pages = process->shared;
	attached_set_pages(attached, process->pages);
	atomic_fetch_sub(&pager->budget.resident_pages, process->pages);
	process->pages = 0;
	return attached_list(attached);
}

/* The program has memory that is written to and executed: it needs staging of that kind. Asked for
 * once, or again later if its threads did not stop. */
static void stage_code(struct attached *attached, uint64_t bytes)
{
	uint64_t now = monotonic_ns();
	int error;

	if (bytes < CODE_WORTH || now < attached->watch.code_ns || attached->target.stages_code)
		return;
	error = attach_stage_code(&attached->target, STOP_PATIENCE_MS);
	attached->watch.code_ns = error == -ETIMEDOUT ? now + CODE_AGAIN_NS : UINT64_MAX;
	if (!error)
		attached->evict.fixed.next_ns = 0; /* what was refused so far can leave now */
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
		stage_code(attached, pager->job.maps.code_bytes);
	} else {
		/* Nothing has left yet: closing the userfaultfd sets it free. */
		attached->task.owed = false;
		explain(message, 0, "out of memory");
		attach_leave(&attached->target, message);
		attached_bury(attached);
	}
	return error;
}

int program_adopt(struct process *process, char message[MESSAGE_BYTES])
{
	struct attached *child = process->attached;
	int error;

	error = attach_inject(process->pid, child->task.userfault, &child->target, adopting_stop,
			      child, message);
	if (!error)
		use_agent(child);
	return error;
}

int program_register_new(struct attached *attached)
{
	struct maps *maps = &attached->pager->job.maps;
	int error = maps_read(attached->target.agent_tid, maps);

	if (error)
		return error;
	/* What it maps may be for its own. After the list has been read: not before it can be. */
	if (own_userfault(&attached->watch.own_userfault, attached->task.pid,
			  attached->target.agent_tid))
		return 0;
	lock_write(&attached->lock);
	error = register_running(attached, maps);
	unlock_write(&attached->lock);
	stage_code(attached, maps->code_bytes);
	return error;
}
