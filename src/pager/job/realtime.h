/* SPDX-License-Identifier: MIT */
/*
 * A program under SCHED_FIFO or SCHED_RR that runs without a pause keeps vswap, and its own agent,
 * off the CPUs that they share. Running before it would be no remedy: threads of such a program
 * may rely on never sleeping, which a fault that is served makes them do. So it is only said.
 * Control thread.
 */
#ifndef PAGER_JOB_REALTIME_H
#define PAGER_JOB_REALTIME_H

struct pager;

/* Says once that such a process keeps the job above its budget. */
void realtime_look(struct pager *pager);

#endif
