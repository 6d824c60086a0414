/* SPDX-License-Identifier: MIT */
#include "pager/program/release.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "pager/attached/doubts.h"
#include "pager/attached/mapping.h"
#include "pager/attached/say.h"
#include "pager/attached/state.h"
#include "pager/attached/userfault.h"
#include "pager/changes/moved.h"
#include "pager/program/bring_back.h"
#include "pager/program/program.h"

/* What an agent's way out waits for is said after the first; after the second it stays, ns. */
#define TELL_NS	    2000000000ull
#define TOO_LONG_NS 60000000000ull
/* A thread that somebody traces is tried again after this, microseconds. */
#define TRACED_US 50000

/* All is back: from now on it lives without us. */
static void unregister_all(struct attached *attached)
{
	attached->task.owed = false;
	for (size_t i = 0; i < attached->regions.count; i++)
		userfault_unregister(attached->task.userfault, attached->regions.items[i].start,
				     attached->regions.items[i].end -
					     attached->regions.items[i].start);
}

/* Last look with every thread stopped: what is not back now would be lost. */
static int last_stop(struct target *target, void *argument)
{
	struct attached *attached = argument;
	int error = 0;

	(void)target;
	lock_write(&attached->lock);
	if (!moved_settle(attached))
		error = -EAGAIN;
	doubts_settle(attached, true);
	/* What is swapped and not registered any more cannot come back. */
	if (attached_swapped_pages(attached))
		mapping_forget_unregistered(attached);
	if (attached_swapped_pages(attached))
		error = -EAGAIN;
	if (!error)
		unregister_all(attached);
	unlock_write(&attached->lock);
	return error;
}

/* A thread does not stop, or somebody else traces one, perhaps the agent alone. */
static bool is_held_up(int error)
{
	return error == -ETIMEDOUT || error == -EPERM;
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
	attached->task.has_agent = false;
	lock_set_gate(&attached->lock, NULL);
	unlock_write(&attached->lock);
	attached_barrier(attached);
	do {
		pager_meanwhile(attached->pager);
		error = attach_leave(&attached->target, message);
		waited = monotonic_ns() - since;
		if (is_held_up(error) && waited > TELL_NS && !told) {
			told = true;
			pager_say(attached->pager, "waiting to let go of process %d: %s",
				  attached->task.pid, message);
		}
		if (error == -EPERM)
			usleep(TRACED_US);
	} while (is_held_up(error) && waited < TOO_LONG_NS);
	if (!is_held_up(error))
		return error;
	/* All is back, so it does no harm there. */
	pager_say(attached->pager,
		  "process %d could not be stopped: a sleeping thread of ours stays in it until it "
		  "ends",
		  attached->task.pid);
	attach_forget(&attached->target);
	return 0;
}

int release(struct attached *attached, bool lose, char message[MESSAGE_BYTES])
{
	struct bring_back work = {.lose = lose, .hasty = true};
	pid_t pid = attached->task.pid;
	int error = -EAGAIN, back = 0;

	/* A child without an agent has a process to stop all the same. */
	attached->target.pid = pid;
	for (int tries = 0; tries < 50 && error == -EAGAIN; tries++) {
		pager_meanwhile(attached->pager);
		error = attach_stop(&attached->target, STOP_PATIENCE_MS, last_stop, attached);
		if (error == -ETIMEDOUT)
			error = -EAGAIN;
		else if (error == -EAGAIN && (back = bring_back_pages(attached, &work)) &&
			 back != -ESRCH)
			break;
	}
	if (back && back != -ESRCH) {
		bring_back_explain(attached, &work, back, message);
		return back;
	}
	if (error == -EAGAIN)
		return explain(
			message, error,
			"process %d does not stand still: its memory changes all the time, or "
			"a thread waits in the kernel; it goes on as before; try again later",
			pid);
	if (error && error != -ESRCH)
		return explain(message, error, "cannot let go of process %d: %s", pid,
			       strerror(-error));
	error = attached->task.has_agent ? agent_out(attached, message) : 0;
	attached_unlist(attached);
	attached_free(attached);
	return error == -ESRCH ? 0 : error;
}

int release_abandoned(struct attached *attached, bool lose, char message[MESSAGE_BYTES])
{
	struct bring_back work = {.lose = lose, .hasty = true};
	int error;

	do {
		error = bring_back_pages(attached, &work);
		lock_write(&attached->lock);
		/* As in release: what is not registered any more cannot come back. */
		if (!error && attached_swapped_pages(attached))
			mapping_forget_unregistered(attached);
		/* A fork that began before all was back has a child that needs it. */
		if (!error && (attached_swapped_pages(attached) ||
			       userfault_is_changing(attached->task.userfault)))
			error = -EAGAIN;
		if (!error)
			unregister_all(attached);
		unlock_write(&attached->lock);
		if (error == -EAGAIN)
			usleep(1000);
	} while (error == -EAGAIN);
	if (error == -EIO || error == -ETIMEDOUT) {
		bring_back_explain(attached, &work, error, message);
		return error;
	}
	attached_bury(attached);
	return 0;
}
