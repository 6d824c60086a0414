/* SPDX-License-Identifier: MIT */
#include "pager/job/realtime.h"

#include <sched.h>
#include "pager/attached/say.h"
#include "pager/attached/state.h"

/* Its first thread stands for all. */
static bool is_realtime(pid_t pid)
{
	int policy = sched_getscheduler(pid) & ~SCHED_RESET_ON_FORK;

	return policy == SCHED_FIFO || policy == SCHED_RR;
}

void realtime_look(struct pager *pager)
{
	if (pager->job.told_realtime || pager->budget.resident_pages <= pager->budget.room_pages)
		return;
	for (size_t i = 0; i < pager->job.tree.count; i++) {
		pid_t pid = pager->job.tree.items[i]->pid;

		if (!is_realtime(pid))
			continue;
		pager->job.told_realtime = true;
		pager_say(pager,
			  "process %d runs under SCHED_FIFO or SCHED_RR: where it leaves vswap no "
			  "CPU, it stays above its budget; give vswap one of its own (taskset)",
			  pid);
		return;
	}
}
