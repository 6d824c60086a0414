/* SPDX-License-Identifier: MIT */
/* The groups of a pager's job and the processes in them. Control thread, but for groups_tiers. */
#ifndef PAGER_JOB_GROUPS_H
#define PAGER_JOB_GROUPS_H

#include <sys/types.h>
#include "pager/limits/group.h"
#include "store/store.h"

struct pager;

/* What a process that has just been found belongs to: its parent's group. */
struct group *groups_inherited(struct pager *pager, pid_t pid);

/* Counts what the processes of each group have, says which group cannot come below its limit. */
void groups_look(struct pager *pager);

/* A group is above the mark where pages leave it. Any thread. */
bool groups_must_evict(const struct pager *pager);
/* A group is above its limit, whatever of it can leave. Any thread. */
bool groups_are_strained(const struct pager *pager);
/* Half of what a group may have is there, or more. */
bool groups_are_pressed(const struct pager *pager);
/* Of those that have processes; UINT64_MAX: none has a limit. Control thread. */
uint64_t groups_lowest_limit(const struct pager *pager);
/* The least of group_until_near. */
uint64_t groups_until_near(const struct pager *pager);

/* The backends that may have what leaves a process of the group. */
static inline uint16_t groups_tiers(const struct group *group)
{
	return group ? group->tiers : STORE_ANY_TIER;
}

#endif
