/* SPDX-License-Identifier: MIT */
/*
 * Reading messages, applying events in the order in which things happened, serving faults. Faults
 * that must wait (for a batch, for the brake, for an event's waiter) are put aside and tried
 * again; when there is no place for one, its thread is woken instead and will fault again.
 */
#include "pager/faults/messages.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>
#include "base/ask.h"
#include "base/clock.h"
#include "pager/attached/batch.h"
#include "pager/attached/holder.h"
#include "pager/attached/kick.h"
#include "pager/attached/proof.h"
#include "pager/attached/say.h"
#include "pager/attached/state.h"
#include "pager/attached/userfault.h"
#include "pager/changes/children.h"
#include "pager/changes/event.h"
#include "pager/changes/moved.h"
#include "pager/changes/who.h"
#include "pager/faults/follow.h"
#include "pager/faults/server.h"
#include "pager/faults/starve.h"
#include "pager/job/load.h"

/* How long forks may wait for a descriptor. */
#define SHORT_NS       2000000000u
#define SHORT_PAUSE_US 1000
/* For so long a fault waits for what has no answer. */
#define UNSURE_NS 2000000000u
/*
 * How long more is read after a FORK, ns, and how many moves. Events are handed out in the order
 * in which they were queued, so what is read last was queued so much later. A thread that moved
 * something before the fork would have had to stand for all that time before it queued its REMAP.
 */
#define READ_ON_NS    100000000u
#define READ_ON_MOVES (MOVES / 2)
/* What is in limbo (limbo.h) takes room: after so long the program is made to stand still, ns. */
#define UNSETTLED_NS 100000000u
/* Most messages read in one hold of the lock. */
#define READ_MOST 256u
/* Reads that had to be interrupted (watchdog.h) before a process is killed for it. */
#define BLOCKED_MOST 2u
/*
 * Under the brake no fault waits longer than BRAKE_NS: rather over the budget than stuck. When one
 * had to, the budget may be too small for what the program touches all the time: the next waits
 * half as long, down to BRAKE_LEAST_NS, until the evictor has caught up (evictor.c).
 */
#define BRAKE_LEAST_NS 200000u
/* Trying all that were put aside takes less as a rule. */
#define LONG_PASS_NS 200000u

static void count_starving(struct fault *fault)
{
	if (fault->starving)
		return;
	fault->starving = true;
	atomic_fetch_add(&fault->attached->serve.starving, 1);
}

/* Where there is no place its thread is woken, and raises it again. */
static struct fault *put_aside(struct server *server, const struct fault *fault)
{
	struct fault *aside = aside_put(&server->aside, fault);

	if (!aside)
		userfault_wake(fault->attached->task.userfault, fault->address, 1);
	return aside;
}

/* The same for one that waits for an event's end. */
static void put_aside_changing(struct server *server, const struct fault *fault)
{
	struct fault *aside = put_aside(server, fault);

	server->changing = true;
	if (aside)
		count_starving(aside);
	starve_note(fault->attached, aside ? aside->since : fault->since);
}

static void finish(struct server *server, struct fault *fault, enum fault_result result)
{
	if (result == FAULT_DONE) {
		latency_add(&server->pager->figures.latency, monotonic_ns() - fault->since);
		atomic_fetch_add_explicit(&fault->attached->count.faults, 1, memory_order_relaxed);
		group_count_fault(fault->attached->group);
		return;
	}
	if (result == FAULT_FETCHED)
		return;
	if (result == FAULT_CHANGING) {
		put_aside_changing(server, fault);
		return;
	}
	server->door->deferred = true;
	if (result == FAULT_BRAKED)
		evictor_kick(server->pager);
	put_aside(server, fault);
}

/*
 * Serves a fault and gives up the lock, which the caller holds for writing. A thread that is woken
 * takes this CPU at once: while other servers are awake, and wait for the lock, it is woken
 * afterwards only.
 */
static void serve(struct server *server, struct fault *fault)
{
	struct attached *attached = fault->attached;
	struct fill_buffers *buffers = server->buffers;
	enum fault_result result;

	if (!attached_own_slot(attached, fault->address)) {
		unlock_write(&attached->lock);
		return;
	}
	lock_downgrade(&attached->lock);
	buffers->quiet = server->polite;
	buffers->installed = 1;
	result = fault_serve(fault, buffers);
	unlock_read(&attached->lock);
	if (buffers->quiet && result == FAULT_DONE)
		userfault_wake(attached->task.userfault, fault->address, buffers->installed);
	buffers->quiet = false;
	finish(server, fault, result);
}

/* Memory lock held for writing; given up here. */
static void answer(struct server *server, struct fault *fault)
{
	struct attached *attached = fault->attached;
	const unsigned int unanswered = ask_unanswered();
	enum fault_result result;
	bool sure;

	if (attached->changes.needs_wipe || attached->changes.needs_look)
		holder_check(attached);
	sure = proof_find(attached, fault->thread, fault->address);
	if (sure && attached->changes.needs_wipe)
		children_first_fault(attached);
	if (sure && attached->changes.needs_look)
		children_look(attached);
	/* What could not be asked now may be, a little later. */
	if (!sure ||
	    (ask_unanswered() != unanswered && monotonic_ns() - fault->since < UNSURE_NS)) {
		unlock_write(&attached->lock);
		put_aside_changing(server, fault);
		return;
	}
	if (region_find(&attached->regions, fault->address)) {
		serve(server, fault);
		return;
	}
	result = fault_serve_growth(fault, server->buffers);
	unlock_write(&attached->lock);
	finish(server, fault, result);
}

static struct fault fault_of(struct server *server, struct attached *attached,
			     const struct uffd_msg *message)
{
	return (struct fault){
		.attached = attached,
		.streams = &attached->streams[server->index],
		.address = message->arg.pagefault.address & PAGE_MASK,
		.since = monotonic_ns(),
		.thread = (pid_t)message->arg.pagefault.feat.ptid,
		.write = message->arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WRITE,
	};
}

/*
 * A FORK that cannot be read for want of a descriptor, or memory. Others may end and leave theirs:
 * the fork waits, and is read again with each turn (the kernel may forget to tell of it once more).
 * After SHORT_NS without any that could be read its process is killed: it would hang.
 */
static void wait_for_descriptor(struct attached *attached)
{
	struct pager *pager = attached->pager;
	uint64_t since = 0, now = monotonic_ns();

	attached->serve.short_of = true;
	if (atomic_compare_exchange_strong(&pager->serve.short_ns, &since, now) ||
	    now < since + SHORT_NS)
		return;
	pager->serve.short_ns = 0;
	pager_say(pager,
		  "process %d is killed: it forks, and vswap has no descriptor left for its child: "
		  "raise the limit (ulimit -Hn) that vswap is started with",
		  attached->task.pid);
	pager_kill(attached);
}

/* Somebody has made the descriptor blocking: it is put right once, then the process is killed,
 * since its faults cannot be served without reading it. */
static void was_blocked(struct attached *attached)
{
	fcntl(attached->task.userfault, F_SETFL, O_NONBLOCK);
	if (++attached->serve.blocked < BLOCKED_MOST)
		return;
	pager_say(attached->pager,
		  "process %d makes the userfaultfd that serves it blocking, again and again: "
		  "killed, "
		  "since its faults cannot be served",
		  attached->task.pid);
	pager_kill(attached);
}

/*
 * Who forks goes on as soon as its FORK is read, and may end at once, and with it what of a batch
 * stands in its staging area only: pages that the child has by then, too. So no event is read
 * before the batch is done. (While one is in flight the kernel moves nothing more.) One that begins
 * between this look and the read finds the batch brought to its end by event_apply.
 */
static void finish_batch(struct attached *attached)
{
	if (attached->task.has_agent && attached->batch.state != BATCH_IDLE &&
	    userfault_is_changing(attached->task.userfault))
		batch_quiesce(attached);
}

static bool next_message(struct server *server, struct attached *attached, struct uffd_msg *message)
{
	ssize_t got;
	int error;

	finish_batch(attached);
	who_watch(attached);
	atomic_fetch_add(&server->reads, 1);
	got = read(attached->task.userfault, message, sizeof(*message));
	error = got < 0 ? errno : 0;
	atomic_fetch_add(&server->reads, 1);
	if (got == sizeof(*message)) {
		if (message->event == UFFD_EVENT_FORK) {
			attached->pager->serve.short_ns = 0;
			attached->serve.short_of = false;
		}
		return true;
	}
	if (error == EINTR)
		was_blocked(attached);
	if (error == EMFILE || error == ENFILE || error == ENOMEM)
		wait_for_descriptor(attached);
	else
		attached->serve.short_of = false;
	return false;
}

static void apply(struct server *server, struct attached *attached, const struct uffd_msg *message);

/* Who is waited for needs this CPU; or somebody a descriptor. */
static void wait_a_moment(const struct attached *attached)
{
	if (attached->serve.short_of)
		usleep(SHORT_PAUSE_US);
	else
		sched_yield();
}

/* The threads of the program need not ever stop: its faults, and its children, wait. */
static bool has_read_enough(const struct attached *attached, uint64_t since)
{
	const struct moved *moved = &attached->changes.moved;

	return moved->forgotten + moved->count - attached->changes.unborn[0].moves >=
		       READ_ON_MOVES ||
	       monotonic_ns() - since > READ_ON_NS;
}

/* Reads on after a FORK as long as something is in flight, within reason; faults are put aside. */
static void read_on(struct server *server, struct attached *attached)
{
	uint64_t since = monotonic_ns();
	struct uffd_msg message;

	while (!attached->task.dead && !has_read_enough(attached, since) &&
	       userfault_is_changing(attached->task.userfault)) {
		if (!next_message(server, attached, &message)) {
			starve_note(attached, since);
			wait_a_moment(attached);
		} else if (message.event == UFFD_EVENT_PAGEFAULT) {
			struct fault fault = fault_of(server, attached, &message);

			put_aside_changing(server, &fault);
		} else {
			starve_note(attached, since);
			apply(server, attached, &message);
		}
	}
}

/*
 * Applies an event at once: its thread runs on as soon as it was read, and what that does next is
 * read next. Events of different threads may overtake each other (moved.h).
 *
 *   FORK   what else is in flight happened to the child, too, or did not: its mappings tell
 *          (children.c)
 */
static void apply(struct server *server, struct attached *attached, const struct uffd_msg *message)
{
	event_apply(attached, message);
	/* Those whose FORK is read meanwhile are born together with the first. */
	if (message->event == UFFD_EVENT_FORK && attached->changes.unborn_count == 1) {
		read_on(server, attached);
		children_born(attached);
	}
}

/* Nothing can be installed now: the fault waits, and what is in flight is read first. */
static bool must_wait(struct server *server, const struct fault *fault)
{
	if (!userfault_is_changing(fault->attached->task.userfault))
		return false;
	put_aside_changing(server, fault);
	return true;
}

static void hurry_settling(struct attached *attached)
{
	uint64_t since = attached->changes.limbo.since_ns;

	if (since && monotonic_ns() - since > UNSETTLED_NS)
		starve_note(attached, since);
}

/*
 * An event is applied in the same step as it is read. The kernel hands out faults before events,
 * and threads that have a signal pending raise theirs without end: while an event is waited for,
 * faults are only taken out of its way, as fast as possible.
 *
 * The thread of a fault that was served runs, and may have raised the next one by the time that
 * this one has the CPU again: it is read without asking epoll.
 */
void messages_read(struct server *server, struct attached *attached)
{
	struct uffd_msg message;
	struct fault fault;

	lock_write(&attached->lock);
	if (!moved_settle(attached))
		hurry_settling(attached);
	for (unsigned int i = 0; i < READ_MOST; i++) {
		if (!next_message(server, attached, &message))
			break;
		if (message.event != UFFD_EVENT_PAGEFAULT) {
			apply(server, attached, &message);
			if (attached->changes.needs_look)
				children_look(attached);
			break;
		}
		fault = fault_of(server, attached, &message);
		if (server->changing && must_wait(server, &fault))
			continue;
		answer(server, &fault);
		follow(server, fault.thread, fault.since);
		if (server->aside.count || attached->task.dead)
			return;
		lock_write(&attached->lock);
	}
	unlock_write(&attached->lock);
}

static bool is_overdue(struct pager *pager, const struct fault *fault, uint64_t now)
{
	uint64_t waited = now - fault->since;

	if (fault->attached->serve.held)
		return waited > HOLD_NS;
	if (waited <= pager->budget.brake_ns)
		return false;
	if (pager->budget.brake_ns > BRAKE_LEAST_NS)
		pager->budget.brake_ns = pager->budget.brake_ns / 2;
	return true;
}

/* `changing`: an address space that had to wait for an event in this pass. Thousands of its threads
 * may wait for the same one. */
static void retry(struct server *server, struct fault *fault, uint64_t now,
		  const struct attached **changing)
{
	if (fault->attached->task.dead)
		return;
	fault->overdue = is_overdue(server->pager, fault, now);
	if (fault->attached == *changing) {
		put_aside_changing(server, fault);
	} else if (must_wait(server, fault)) {
		*changing = fault->attached;
	} else {
		lock_write(&fault->attached->lock);
		answer(server, fault);
	}
}

/* Counted no more only after it was put aside anew: whoever looks meanwhile must not believe that
 * nothing waits. */
void messages_retry(struct server *server)
{
	unsigned int count = aside_take(&server->aside);
	const struct attached *changing = NULL;
	uint64_t now = monotonic_ns(), end;

	server->changing = false;
	server->door->deferred = false;
	for (unsigned int i = 0; i < count; i++) {
		struct fault fault = server->aside.items[i];
		bool starving = fault.starving;

		fault.starving = false;
		retry(server, &fault, now, &changing);
		if (starving)
			atomic_fetch_sub(&fault.attached->serve.starving, 1);
	}
	/* A crowd that waits must not take all of a CPU: after a long pass in vain, nothing is
	 * tried for as long as it took. */
	end = monotonic_ns();
	server->retry_ns =
		server->aside.count >= count && end - now > LONG_PASS_NS ? end + (end - now) : 0;
}

void messages_read_short(struct server *server)
{
	struct pager *pager = server->pager;
	struct attached *attached;
	bool any = false;

	usleep(SHORT_PAUSE_US);
	for (size_t i = 0; (attached = attached_at(pager, i)); i++) {
		if (!attached->serve.short_of || attached->task.dead)
			continue;
		any = true;
		messages_read(server, attached);
	}
	if (!any)
		pager->serve.short_ns = 0;
}

void messages_forget(struct server *server)
{
	unsigned int count = aside_take(&server->aside);

	for (unsigned int i = 0; i < count; i++) {
		const struct fault *fault = &server->aside.items[i];

		userfault_wake(fault->attached->task.userfault, fault->address, 1);
	}
}
