/* SPDX-License-Identifier: MIT */
/*
 * A fault while the owner is stopped is seen, since nobody reads it. One that has been read, and
 * not been answered, is not: so no server is in the middle of anything, and none is put aside, or
 * the nap is a short one. So it is while another process of the job runs, too.
 */
#include "pager/nap.h"

#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "attach/nap.h"
#include "base/proc.h"
#include "pager/attached/state.h"
#include "pager/faults/fetch.h"
#include "pager/faults/server.h"

static void add(int needs, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events};

	epoll_ctl(needs, EPOLL_CTL_ADD, fd, &event);
}

static void add_all(struct pager *pager, int needs)
{
	pthread_mutex_lock(&pager->listing.lock);
	for (size_t i = 0; i < pager->listing.count; i++)
		add(needs, pager->listing.items[i]->task.userfault, EPOLLIN);
	pthread_mutex_unlock(&pager->listing.lock);
}

/* `serving` held for writing. */
static bool is_anybody_served(struct pager *pager)
{
	if (!pager->threads.run)
		return false;
	for (unsigned int i = 0; i < pager->serve.count; i++)
		if (pager->serve.servers[i]->aside.count)
			return true;
	return fetch_any(pager);
}

static bool runs(pid_t pid)
{
	char state = proc_state(pid);

	return state && !strchr("TtZX", state);
}

/* It may want memory that nobody would keep within the budget, without a fault of ours. */
static bool does_another_run(const struct pager *pager, pid_t program)
{
	const struct tree *tree = &pager->job.tree;

	for (size_t i = 0; i < tree->count; i++)
		if (tree->items[i]->pid != program && runs(tree->items[i]->pid))
			return true;
	return false;
}

bool pager_nap(struct pager *pager, pid_t program, const struct pollfd *polls, unsigned int count,
	       bool anyway)
{
	struct nap_plan plan = {.program = program, .needs = epoll_create1(EPOLL_CLOEXEC)};

	pthread_rwlock_wrlock(&pager->listing.serving);
	plan.is_short =
		plan.needs < 0 || is_anybody_served(pager) || does_another_run(pager, program);
	if (!plan.is_short || anyway) {
		for (unsigned int i = 0; i < count && plan.needs >= 0; i++)
			add(plan.needs, polls[i].fd, (uint32_t)polls[i].events);
		if (plan.needs >= 0)
			add_all(pager, plan.needs);
		keepers_nap(pager->job.keepers, &plan);
	}
	pthread_rwlock_unlock(&pager->listing.serving);
	if (plan.needs >= 0)
		close(plan.needs);
	return !plan.is_short || anyway;
}

bool pager_is_keeper(const struct pager *pager, pid_t pid)
{
	return keepers_has(pager->job.keepers, pid);
}
