/* SPDX-License-Identifier: MIT */
/*
 * The server: one thread that reads all userfaultfds, applies events and serves
 * faults. Faults that must wait (for a batch, for the brake, for an event's waiter)
 * are put aside and tried again; when there is no place for one, its thread is
 * woken instead and will fault again.
 *
 * It runs on the CPU that the faults come from: waking a thread on another, idle
 * CPU costs five times the whole rest of a fault. The message names the faulting
 * thread; every FOLLOW_NS its CPU is looked up and the server moves there.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include "pager/children.h"
#include "pager/event.h"
#include "pager/futex.h"
#include "pager/state.h"
#include "pager/userfault.h"

#define ASIDE 1024u
/* Most messages read in one hold of the lock. */
#define READ_MOST 256u
#define FOLLOW_NS 1000000u
/* How often it looks for children that have ended. */
#define BURY_NS 100000000u
/*
 * Under the brake no fault waits longer than BRAKE_NS: rather over the budget than stuck. When one
 * had to, the budget may be too small for what the program touches all the time: the next waits
 * half as long, down to BRAKE_LEAST_NS, until the evictor has caught up (evictor.c).
 */
#define BRAKE_LEAST_NS 200000u

struct server {
	struct pager *pager;
	struct pollfd polls[PAGER_CHILDREN + 1];
	struct attached *attached[PAGER_CHILDREN];
	unsigned int count;
	uint32_t generation;
	struct fault aside[ASIDE];
	unsigned int aside_count;
	bool changing;	    /* a fault put aside waits for an event or its waiter */
	unsigned int turns; /* spent waiting for that */
	pid_t followed;
	int followed_stat, cpu;
	uint64_t followed_at;
};

static void follow(struct server *server, pid_t thread, uint64_t now)
{
	char path[64];
	cpu_set_t set;
	int cpu;

	if (now - server->followed_at < FOLLOW_NS || thread <= 0)
		return;
	server->followed_at = now;
	if (thread != server->followed) {
		if (server->followed_stat >= 0)
			close(server->followed_stat);
		snprintf(path, sizeof(path), "/proc/%d/stat", thread);
		server->followed_stat = open(path, O_RDONLY | O_CLOEXEC);
		server->followed = thread;
	}
	cpu = server->followed_stat < 0 ? -1 : thread_cpu(server->followed_stat);
	if (cpu < 0 || cpu == server->cpu || cpu >= CPU_SETSIZE)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (!sched_setaffinity(0, sizeof(set), &set))
		server->cpu = cpu;
}

/* A thread with a signal pending does not sleep in its fault: it raises it again and again. One
 * answer wakes all who wait for the page. */
static void put_aside(struct server *server, const struct fault *fault)
{
	for (unsigned int i = 0; i < server->aside_count; i++) {
		struct fault *known = &server->aside[i];

		if (known->address == fault->address && known->attached == fault->attached) {
			known->write |= fault->write;
			return;
		}
	}
	if (server->aside_count < ASIDE)
		server->aside[server->aside_count++] = *fault;
	else
		userfault_wake(fault->attached->userfault, fault->address);
}

static void finish(struct server *server, struct fault *fault, enum fault_result result)
{
	if (result == FAULT_DONE) {
		latency_add(&server->pager->latency, monotonic_ns() - fault->since);
		return;
	}
	if (result == FAULT_CHANGING)
		server->changing = true;
	else
		server->pager->deferred = true;
	if (result == FAULT_BRAKED)
		evictor_kick(server->pager);
	put_aside(server, fault);
}

/* Serves a fault and gives up the lock, which the caller holds for writing. */
static void serve(struct server *server, struct fault *fault)
{
	struct attached *attached = fault->attached;
	enum fault_result result;

	if (memory_must_bind(attached->memory, fault->address))
		memory_bind(attached->memory, fault->address);
	lock_downgrade(&attached->lock);
	result = fault_serve(fault, server->pager->server_buffers);
	unlock_read(&attached->lock);
	finish(server, fault, result);
}

/* Memory lock held for writing; given up here. */
static void answer(struct server *server, struct fault *fault)
{
	struct attached *attached = fault->attached;
	enum fault_result result;

	if (attached->needs_wipe)
		children_first_fault(attached, fault->thread);
	if (region_find(&attached->regions, fault->address)) {
		serve(server, fault);
		return;
	}
	result = fault_serve_growth(fault, server->pager->server_buffers);
	unlock_write(&attached->lock);
	finish(server, fault, result);
}

static struct fault fault_of(struct attached *attached, const struct uffd_msg *message)
{
	return (struct fault){
		.attached = attached,
		.address = message->arg.pagefault.address & PAGE_MASK,
		.since = monotonic_ns(),
		.thread = (pid_t)message->arg.pagefault.feat.ptid,
		.write = message->arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WRITE,
	};
}

static bool next_message(struct attached *attached, struct uffd_msg *message)
{
	return read(attached->userfault, message, sizeof(*message)) == sizeof(*message);
}

/*
 * Some thread's event has not been read yet, or the thread has not woken up since. The kernel
 * refuses every change then; the address of this one is never registered.
 */
static bool events_in_flight(struct attached *attached)
{
	return userfault_zero(attached->userfault, PROBE_ADDRESS, 1) == -EAGAIN;
}

static void apply(struct server *server, struct attached *attached, const struct uffd_msg *message);

/* Reads on while something is in flight and `more` says so; faults are put aside. */
static void read_on(struct server *server, struct attached *attached,
		    bool (*more)(struct attached *attached, const struct remap *remap),
		    const struct remap *about)
{
	struct uffd_msg message;

	while (!attached->dead && more(attached, about) && events_in_flight(attached)) {
		if (!next_message(attached, &message)) {
			sched_yield();
		} else if (message.event == UFFD_EVENT_PAGEFAULT) {
			struct fault fault = fault_of(attached, &message);

			server->changing = true;
			put_aside(server, &fault);
		} else {
			apply(server, attached, &message);
		}
	}
}

static bool destination_is_taken(struct attached *attached, const struct remap *remap)
{
	uint64_t from, to, end = remap->to + remap->length;

	/* One gap over all of it: no region is there. */
	return !region_gap(&attached->regions, remap->to, end, &from, &to) || from != remap->to ||
	       to != end;
}

static bool always(struct attached *attached, const struct remap *remap)
{
	return true;
}

/* What freed the destination has not been read yet, though it happened before. */
static void apply_remap(struct server *server, struct attached *attached, const struct remap *remap)
{
	uint64_t from = remap->from;

	if (destination_is_taken(attached, remap)) {
		from = event_park(attached, remap);
		read_on(server, attached, destination_is_taken, remap);
	}
	children_note_remap(attached, remap);
	event_move(attached, from, remap);
}

/*
 * A mapping that moved into what was unmapped is there no more. If it moved on, its REMAP comes
 * and takes the region away; if nothing is in flight and the region still there, it was unmapped.
 * Looked up once only: a moment later it may move.
 */
static void wait_until_clear(struct server *server, struct attached *attached,
			     const struct uffd_msg *message)
{
	const struct remap unmap = {
		.to = message->arg.remove.start,
		.length = message->arg.remove.end - message->arg.remove.start,
	};
	struct remap unclear;

	while (event_find_unclear(attached, &unmap, &unclear)) {
		read_on(server, attached, destination_is_taken, &unclear);
		event_forget_move(attached, &unclear);
	}
}

/*
 * Applies an event, in the order in which things happened: a thread queues its event a moment
 * after it has let the mappings go, so that an event of another thread, which came to use the
 * same addresses, may overtake it.
 *
 *   REMAP  to addresses that are still taken: what freed them has yet to be read
 *   UNMAP  of addresses to which something was moved since: see event.c
 *   FORK   what else is in flight happened to the child, too, or did not: its mappings tell
 */
static void apply(struct server *server, struct attached *attached, const struct uffd_msg *message)
{
	const struct remap remap = {
		.from = message->arg.remap.from,
		.to = message->arg.remap.to,
		.length = message->arg.remap.len,
	};

	if (attached->needs_maps)
		children_first_event(attached, message);
	if (message->event == UFFD_EVENT_UNMAP)
		wait_until_clear(server, attached, message);
	if (message->event == UFFD_EVENT_REMAP) {
		apply_remap(server, attached, &remap);
		return;
	}
	event_apply(attached, message);
	if (message->event != UFFD_EVENT_FORK)
		return;
	if (attached->unborn_count == 1)
		read_on(server, attached, always, NULL);
	children_born(attached);
}

/* Nothing can be installed now: the fault waits, and what is in flight is read first. */
static bool must_wait(struct server *server, const struct fault *fault)
{
	if (!events_in_flight(fault->attached))
		return false;
	server->changing = true;
	put_aside(server, fault);
	return true;
}

/*
 * Reads a message and, if it is an event, applies it in the same step. The kernel hands out faults
 * before events, and threads that have a signal pending raise theirs without end: while an event is
 * waited for, faults are only taken out of its way, as fast as possible.
 */
static void read_message(struct server *server, struct attached *attached)
{
	struct uffd_msg message;
	struct fault fault;

	lock_write(&attached->lock);
	for (unsigned int i = 0; i < READ_MOST; i++) {
		if (!next_message(attached, &message))
			break;
		if (message.event != UFFD_EVENT_PAGEFAULT) {
			apply(server, attached, &message);
			if (attached->moved_count && !events_in_flight(attached))
				attached->moved_count = 0;
			break;
		}
		fault = fault_of(attached, &message);
		if (server->changing && must_wait(server, &fault))
			continue;
		answer(server, &fault);
		follow(server, fault.thread, fault.since);
		return;
	}
	unlock_write(&attached->lock);
}

/* Tries again what was put aside. */
static void retry(struct server *server)
{
	unsigned int count = server->aside_count;
	uint64_t now = monotonic_ns();

	server->aside_count = 0;
	server->changing = false;
	server->pager->deferred = false;
	for (unsigned int i = 0; i < count; i++) {
		struct fault fault = server->aside[i];

		if (fault.attached->dead)
			continue;
		fault.overdue = now - fault.since > server->pager->brake_ns;
		if (fault.overdue && server->pager->brake_ns > BRAKE_LEAST_NS)
			server->pager->brake_ns = server->pager->brake_ns / 2;
		if (must_wait(server, &fault))
			continue;
		lock_write(&fault.attached->lock);
		answer(server, &fault);
	}
}

static void forget_dead(struct server *server, const struct attached *attached)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < server->aside_count; i++)
		if (server->aside[i].attached != attached)
			server->aside[kept++] = server->aside[i];
	server->aside_count = kept;
}

/* Takes over the list of address spaces when it has changed, and buries dead children. */
static void refresh(struct server *server)
{
	struct pager *pager = server->pager;
	unsigned int kept = 0;

	pthread_mutex_lock(&pager->attached_lock);
	for (unsigned int i = 0; i < pager->attached_count; i++) {
		struct attached *attached = pager->attached[i];

		if (attached->dead && !attached->has_agent) {
			forget_dead(server, attached);
			attached_free(attached);
			continue;
		}
		pager->attached[kept++] = attached;
	}
	pager->attached_count = kept;
	server->generation = pager->attached_generation;
	server->count = kept;
	memcpy(server->attached, pager->attached, kept * sizeof(pager->attached[0]));
	pthread_mutex_unlock(&pager->attached_lock);

	for (unsigned int i = 0; i < kept; i++)
		server->polls[i + 1] = (struct pollfd){
			.fd = server->attached[i]->dead ? -1 : server->attached[i]->userfault,
			.events = POLLIN,
		};
}

/* How long to sleep: for ever when idle, a little when an event's waiter must run first. */
static int wait_for_messages(struct server *server)
{
	struct timespec timeout = {0, 0};

	if (server->changing) {
		/* Always: endless faults keep the poll from sleeping. */
		sched_yield();
		if (++server->turns >= 64)
			timeout.tv_nsec = 50000;
	} else {
		server->turns = 0;
		if (server->aside_count)
			timeout.tv_nsec = 500000;
		else
			timeout.tv_nsec = BURY_NS;
	}
	return ppoll(server->polls, server->count + 1, &timeout, NULL);
}

static void *server_main(void *argument)
{
	struct server *server = argument;
	struct pager *pager = server->pager;
	uint64_t buried = 0;

	pthread_setname_np(pthread_self(), "vswap-server");
	while (!pager->stop) {
		uint64_t now;
		int ready;

		if (server->generation != pager->attached_generation)
			refresh(server);
		ready = wait_for_messages(server);
		if (server->polls[0].revents & POLLIN) {
			uint64_t kicks;

			if (read(pager->wake_server, &kicks, sizeof(kicks)) < 0)
				continue;
		}
		for (unsigned int i = 0; ready > 0 && i < server->count; i++)
			if (server->polls[i + 1].revents & POLLIN)
				read_message(server, server->attached[i]);
		if (server->aside_count)
			retry(server);
		now = monotonic_ns();
		if (now - buried > BURY_NS) {
			buried = now;
			children_find_dead(pager);
		}
	}
	/* Whoever serves next knows nothing of what was put aside: those threads fault again. */
	for (unsigned int i = 0; i < server->aside_count; i++)
		userfault_wake(server->aside[i].attached->userfault, server->aside[i].address);
	if (server->followed_stat >= 0)
		close(server->followed_stat);
	free(server);
	return NULL;
}

int server_start(struct pager *pager)
{
	struct server *server = calloc(1, sizeof(*server));
	int error;

	if (!server)
		return -ENOMEM;
	server->pager = pager;
	server->generation = pager->attached_generation - 1;
	server->followed_stat = -1;
	server->cpu = -1;
	server->polls[0] = (struct pollfd){.fd = pager->wake_server, .events = POLLIN};
	error = pthread_create(&pager->server_thread, NULL, server_main, server);
	if (error)
		free(server);
	return -error;
}

void server_kick(struct pager *pager)
{
	uint64_t one = 1;

	if (write(pager->wake_server, &one, sizeof(one)) < 0)
		return; /* full: it is awake anyway */
}

void server_stop(struct pager *pager)
{
	pager->stop = true;
	server_kick(pager);
	pthread_join(pager->server_thread, NULL);
}

int server_add(struct pager *pager, struct attached *attached)
{
	int result = -ENOSPC;

	pthread_mutex_lock(&pager->attached_lock);
	if (pager->attached_count < PAGER_CHILDREN) {
		pager->attached[pager->attached_count++] = attached;
		pager->attached_generation++;
		result = 0;
	}
	pthread_mutex_unlock(&pager->attached_lock);
	server_kick(pager);
	return result;
}
