/* SPDX-License-Identifier: MIT */
#include "pager/attached/kick.h"

#include <sys/epoll.h>
#include <unistd.h>
#include "base/futex.h"
#include "pager/attached/state.h"

static void kick(struct door *door)
{
	uint64_t one = 1;

	if (write(door->wake, &one, sizeof(one)) < 0)
		return; /* full: it is awake anyway */
}

/* Not left to the last close: others may have the same file open still (pager/program/program.c),
 * and its messages would then name what has been freed. */
void servers_forget(struct attached *attached)
{
	const struct pager *pager = attached->pager;

	for (unsigned int i = 0; i < pager->serve.count; i++)
		epoll_ctl(pager->serve.doors[i].epoll, EPOLL_CTL_DEL, attached->task.userfault,
			  NULL);
}

void servers_kick(struct pager *pager)
{
	for (unsigned int i = 0; i < pager->serve.count; i++)
		kick(&pager->serve.doors[i]);
}

void servers_kick_deferred(struct pager *pager)
{
	for (unsigned int i = 0; i < pager->serve.count; i++)
		if (pager->serve.doors[i].deferred)
			kick(&pager->serve.doors[i]);
}

void evictor_kick(struct pager *pager)
{
	__atomic_fetch_add(&pager->evict.wake, 1, __ATOMIC_SEQ_CST);
	if (pager->evict.sleeps)
		futex_wake(&pager->evict.wake, 1);
}
