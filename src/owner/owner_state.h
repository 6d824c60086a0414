/* SPDX-License-Identifier: MIT */
/* What the owner's loop (owner.c) and its answers to clients (answer.c) share. Control thread only.
 */
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
	bool detached;	    /* and goes on without us */
	bool detach_wanted; /* a signal asked for it */
	bool impatient;	    /* another one while it was under way */
	bool told_waiting;
	uint64_t gone_ns;
	bool was_attached;
	int wait_status;
	struct report last; /* of the moment when the pager was closed */
};

/* As things are now, or were when the pager was closed. */
void owner_report(struct owner *owner, struct report *report);

/* Long work; `client` (or NULL: the terminal) hears how far it is. 0 or -errno with a message: then
 * the program is served as before. `lose`: pages that cannot be read are given up. */
int owner_detach(struct owner *owner, struct client *client, bool lose,
		 char message[MESSAGE_BYTES]);
int owner_thaw(struct owner *owner, struct client *client, char message[MESSAGE_BYTES]);

/* answer.c: what control_open calls, with a struct owner. */
void owner_answer(void *argument, struct client *client, const struct request *request);

#endif
