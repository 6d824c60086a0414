/* SPDX-License-Identifier: MIT */
/*
 * The processes of a job: the first one and all that descend from it. Control thread only.
 *
 * They are found by their parents (/proc/PID/task/TID/children), and, when a parent has ended,
 * among the children of the owner, which is their reaper (`vswap run`). One that was found once is
 * followed until it ends, whoever its parent is.
 */
#ifndef PAGER_JOB_TREE_H
#define PAGER_JOB_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "pager/attached/process.h"

struct pager;

/* Whoever is a child of the owner now is no part of the job. Before the first process runs: its
 * daemons may come to the owner at once. */
void tree_ignore_own(struct pager *pager);
/* Starts with one process; `inherited` says which group belongs to one that has just been found. 0
 * or -errno. */
int tree_open(struct pager *pager, pid_t root, struct group *(*inherited)(struct pager *, pid_t));
void tree_close(struct pager *pager);

/* Searches new processes and looks at the sizes of all, each as often as its cost allows;
 * `pressed` says that the budget is near. Forgets those that have ended, and frees what they had.
 */
void tree_refresh(struct pager *pager, bool pressed);

struct process *tree_find(struct pager *pager, pid_t pid);
/* What it is called now: exec changes it. Control thread. */
void tree_read_command(struct process *process);
/* The largest process that is not served and may get an agent; NULL: none is worth it. `all`: of
 * the whole job, otherwise only of groups close to their limits. */
struct process *tree_largest(struct pager *pager, bool all);
/* What it has that nothing can be evicted from, pages. Control thread. */
int64_t tree_fixed_pages(const struct pager *pager, const struct process *process);

#endif
