/* SPDX-License-Identifier: MIT */
/* What the owner's loop, its signals, its work and its answers share. Control thread only. */
#ifndef OWNER_OWNER_STATE_H
#define OWNER_OWNER_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "cgroup/cgroup_budget.h"
#include "control/report.h"
#include "control/request.h"
#include "control/socket.h"
#include "owner/owner.h"
#include "owner/stats.h"
#include "pager/pager.h"

struct owner {
	struct owner_config config;
	struct stats_file stats;
	struct pager *pager; /* NULL once detached */
	struct control *control;
	struct cgroup_budget following; /* for config.cgroup, or since `vswap limit cgroup` */
	pid_t pid;
	char name[16]; /* of the program when it was taken */
	int pidfd;
	int signals;
	bool gone;	    /* the program has ended */
	bool at_work;	    /* the pager is, for long, and others are heard meanwhile */
	bool detached;	    /* and goes on without us */
	bool detach_wanted; /* a signal asked for it */
	bool impatient;	    /* another one while it was under way */
	bool told_waiting;
	const struct client *remover; /* who has a backend removed; NULL: nobody */
	bool remover_waits;	      /* in this turn of the loop: else it has gone */
	uint64_t gone_ns;
	/* signals.c: the program may have stopped, which is followed from then on (0: no); it has; and
	 * how often we were woken since */
	uint64_t stop_ns;
	bool stop_seen;
	unsigned int woken;
	bool was_attached;
	int wait_status;
	struct report last; /* of the moment when the pager was closed */
};

#endif
