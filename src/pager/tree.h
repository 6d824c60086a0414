/* SPDX-License-Identifier: MIT */
/*
 * The processes of a job: the first one and all that descend from it. Control thread only.
 *
 * They are found by their parents (/proc/PID/task/TID/children), and, when a parent has ended,
 * among the children of the owner, which is their reaper (`vswap run`). One that was found once is
 * followed until it ends, whoever its parent is.
 */
#ifndef PAGER_TREE_H
#define PAGER_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct attached;
struct group;
struct pager;

#define PROCESS_NAME 16

struct process {
	pid_t pid;
	int pidfd, statm;
	int64_t pages;		   /* anonymous, at the last look, less than `shared` */
	int64_t shared;		   /* pages that others have too, and that are counted with them */
	uint64_t shared_ns;	   /* when that is looked up again */
	struct attached *attached; /* its address space, if it is served; else NULL */
	pid_t twin;		   /* a process that had the same memory (vfork); 0: none */
	struct group *group;	   /* it and what it starts belong to; NULL: the job alone */
	bool left_alone;	   /* must not be injected (any more) */
	unsigned int tries;	   /* attempts to inject that failed ... */
	uint64_t retry_ns;	   /* ... and when the next may be made */
	uint64_t found_ns;
	uint64_t faults;   /* of its address space, at the last look of figures.c ... */
	double fault_rate; /* ... and a second, lately */
	char command[PROCESS_NAME];
};

struct tree {
	struct process **items;
	size_t count, capacity;
	pid_t root;	     /* the first process; 0: none */
	bool alone;	     /* no other process is looked for */
	uint64_t scanned_ns; /* the last search for new processes ... */
	uint64_t scan_cost_ns;
	uint64_t looked_ns; /* ... and look at all sizes */
	uint64_t look_cost_ns;
	pid_t *ignored; /* children of the owner that are no part of the job */
	size_t ignored_count;
	unsigned int growing; /* processes that may soon be worth an agent */
	unsigned int lowered; /* what is worth one was halved so often (set_worth) */
	bool over;	      /* the job is above its budget ... */
	uint64_t over_ns;     /* ... or is not, since then */
};

/* Starts with one process. 0 or -errno. */
int tree_open(struct pager *pager, pid_t root);
void tree_close(struct pager *pager);

/* Searches new processes and looks at the sizes of all, each as often as its cost allows;
 * `pressed` says that the budget is near. Forgets those that have ended, and frees what they had.
 */
void tree_refresh(struct pager *pager, bool pressed);

struct process *tree_find(struct pager *pager, pid_t pid);
/* What it is called now: exec changes it. Control thread. */
void tree_read_command(struct process *process);
/* The largest process that is not served and may get an agent; NULL: none is worth it. `all`: of
 * the whole job, else of the groups that near their limits. */
struct process *tree_largest(struct pager *pager, bool all);
/* What it has that nothing can be evicted from, pages. Control thread. */
int64_t tree_fixed_pages(const struct pager *pager, const struct process *process);

typedef bool (*tree_child_fn)(void *argument, pid_t child);
/* Calls `found` for the children of a process until it says true, and returns that child; 0: none
 * did. Any thread. */
pid_t tree_each_child(pid_t parent, tree_child_fn found, void *argument);

/* They share one memory (vfork, CLONE_VM), and both are there. Any thread. */
bool tree_same_memory(pid_t one, pid_t other);

#endif
