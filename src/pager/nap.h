/* SPDX-License-Identifier: MIT */
/* Stopping with the program (attach/nap.h). Control thread. */
#ifndef PAGER_NAP_H
#define PAGER_NAP_H

#include <poll.h>
#include <stdbool.h>
#include <sys/types.h>

struct pager;

/*
 * Stops all of vswap, as its program, our child, has stopped, for a shell that waits for us; comes
 * back when it goes on: continued by somebody, or since the program, another process of the job or
 * one of `polls` needs it. False: not now, somebody is being served, or runs. `anyway`: even so,
 * for a moment.
 */
bool pager_nap(struct pager *pager, pid_t program, const struct pollfd *polls, unsigned int count,
	       bool anyway);
/* One of the processes that wake us then. */
bool pager_is_keeper(const struct pager *pager, pid_t pid);

#endif
