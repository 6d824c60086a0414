/* SPDX-License-Identifier: MIT */
/* Groups that are made and changed while the job runs. Control thread. */
#ifndef PAGER_REGROUP_H
#define PAGER_REGROUP_H

#include <sys/types.h>
#include "base/message.h"
#include "pager/limits/group.h"

struct pager;

/* Process `pid` of the job goes into a group below its own, with all that it starts from now on;
 * the group is made when it is new. 0 with its path, or -errno with a message. */
int pager_group_enter(struct pager *pager, pid_t pid, const struct group_settings *settings,
		      char path[GROUP_PATH], char message[MESSAGE_BYTES]);

/* Changes limit and weight of the group with the path settings->name. 0 or -errno with a message.
 */
int pager_group_change(struct pager *pager, const struct group_settings *settings,
		       char message[MESSAGE_BYTES]);

#endif
