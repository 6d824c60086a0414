/* SPDX-License-Identifier: MIT */
/* The processes of a job, as the control thread knows them (tree.h). */
#ifndef PAGER_ATTACHED_PROCESS_H
#define PAGER_ATTACHED_PROCESS_H

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
	bool not_yet;		   /* was refused so often that it counts as if it were */
	unsigned int tries;	   /* attempts to inject that failed ... */
	uint64_t retry_ns;	   /* ... and when the next may be made */
	uint64_t found_ns;
	uint64_t faults;   /* of its address space, at the last look of figures.c ... */
	double fault_rate; /* ... and a second, lately */
	char command[PROCESS_NAME];
};

struct tree {
	/* The group of a process that has just been found. */
	struct group *(*inherited)(struct pager *pager, pid_t pid);
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

#endif
