/* SPDX-License-Identifier: MIT */
/*
 * Which servers are awake. The message names the faulting thread; every FOLLOW_NS its CPU is
 * looked up. That CPU's server is woken, and goes there; one from whose CPUs no fault has come for
 * LEAVE_NS goes to sleep, unless it is the last.
 *
 * A fault wakes all servers that are awake. While there are several, they run as SCHED_BATCH: the
 * kernel then does not let them push the program off its CPU for faults that another server takes
 * anyway, and they run as soon as the program's own thread sleeps in its fault.
 */
#include "pager/faults/follow.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include "attach/threads.h"
#include "base/futex.h"
#include "pager/attached/state.h"
#include "pager/faults/server.h"

#define FOLLOW_NS 1000000u
#define LEAVE_NS  20000000u
#define SLEEP_NS  1000000000u

static void move_to(struct server *server, int cpu)
{
	cpu_set_t set;

	if (cpu == server->cpu || cpu < 0 || cpu >= CPU_SETSIZE)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (!sched_setaffinity(0, sizeof(set), &set))
		server->cpu = cpu;
}

static void be_polite(struct server *server, bool polite)
{
	struct sched_param none = {0};

	if (polite == server->polite)
		return;
	server->polite = polite;
	sched_setscheduler(0, polite ? SCHED_BATCH : SCHED_OTHER, &none);
}

static int cpu_of(struct server *server, pid_t thread)
{
	char path[64];

	if (thread != server->followed) {
		if (server->followed_stat >= 0)
			close(server->followed_stat);
		/* Not that of the process, which the kernel adds up over all threads. */
		snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", thread, thread);
		server->followed_stat = open(path, O_RDONLY | O_CLOEXEC);
		server->followed = thread;
	}
	return server->followed_stat < 0 ? -1 : thread_cpu(server->followed_stat);
}

static uint32_t awake(const struct pager *pager)
{
	return __atomic_load_n(&pager->serve.awake, __ATOMIC_SEQ_CST);
}

static void wake(struct pager *pager, uint32_t bit)
{
	if (__atomic_fetch_or(&pager->serve.awake, bit, __ATOMIC_SEQ_CST) & bit)
		return;
	futex_wake(&pager->serve.awake, INT32_MAX);
}

void follow_leave(struct server *server, uint64_t now)
{
	struct pager *pager = server->pager;
	uint32_t bit = 1u << server->index, seen = awake(pager);

	if (server->aside.count || now - pager->serve.where[server->index].seen_ns < LEAVE_NS)
		return;
	if (seen & ~bit)
		__atomic_compare_exchange_n(&pager->serve.awake, &seen, seen & ~bit, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

void follow(struct server *server, pid_t thread, uint64_t now)
{
	struct pager *pager = server->pager;
	unsigned int index;
	int cpu;

	if (now - server->followed_at < FOLLOW_NS || thread <= 0)
		return;
	server->followed_at = now;
	cpu = cpu_of(server, thread);
	if (cpu < 0)
		return;
	index = (unsigned int)cpu % pager->serve.count;
	pager->serve.where[index].seen_ns = now;
	pager->serve.where[index].wanted_cpu = cpu;
	if (index == server->index)
		move_to(server, cpu);
	else
		wake(pager, 1u << index);
	follow_leave(server, now);
	be_polite(server, awake(pager) & ~(1u << server->index));
}

void follow_wait(struct server *server)
{
	struct pager *pager = server->pager;
	uint32_t seen, bit = 1u << server->index;

	/* It may have left while it served, and put a fault aside since: nobody else knows of that.
	 */
	if (server->aside.count)
		__atomic_fetch_or(&pager->serve.awake, bit, __ATOMIC_SEQ_CST);
	while (!((seen = awake(pager)) & bit) && !pager->threads.stop)
		futex_wait(&pager->serve.awake, seen, SLEEP_NS);
	move_to(server, pager->serve.where[server->index].wanted_cpu);
}
