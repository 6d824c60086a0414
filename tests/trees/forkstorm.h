/* SPDX-License-Identifier: MIT */
/*
 * Description: the fork storm: processes that fork, nested and from several threads, while all of
 * them rewrite, free, move and check what they inherited. Any page of any process that
 * does not hold what its model says is a failure; so is a worker that stands still.
 *
 * A process has up to MAX_WORKERS workers, one thread each. A worker has an arena (blocks of pages
 * and their model) that only who holds its lock changes, and a part of the race
 * area, which is written all the time, whoever forks.
 *
 * The model of an arena stands in private memory and so may be swapped too; its digest, and
 * the generations of the race area, stand in shared memory, which is not.
 */
#ifndef TESTS_FORKSTORM_H
#define TESTS_FORKSTORM_H

#include "trees.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#define MAX_WORKERS  4
#define MAX_SLOTS    64 /* processes at once */
#define MAX_CHILDREN 3	/* of one worker at once */
#define MAX_DEPTH    4
#define BLOCK_PAGES  128u
#define BLOCK_LEAST  16u
#define RACE_PAGES   64u /* of one worker */
#define HANG_SECONDS 60

/* Bytes: RLIMIT_AS. */
#define ADDRESSES_MOST (8ul << 30)

/* One process. */
struct slot {
	atomic_int pid;	  /* 0: free, -1: taken by `taker` for a process to come */
	atomic_int taker; /* a process */
	atomic_bool killed;
	unsigned int depth;
	unsigned int birth;   /* the newest generation when it was forked */
	atomic_bool answered; /* the probe */
	struct {
		atomic_bool active;
		atomic_uint beat;
		_Atomic(const char *) operation;
		atomic_ullong digest;	      /* of the model; changed under the arena's lock */
		atomic_uint race[RACE_PAGES]; /* generations; changed by the worker alone */
	} worker[MAX_WORKERS];
};

struct shared {
	atomic_ulong pages, operations, forks, killed, execs, threads, early, refused, orphans;
	atomic_uint generation; /* the newest */
	atomic_uint living, most_living;
	atomic_bool stop, failed, spoiled;
	struct {
		atomic_bool taken, open;
		unsigned int arena;
		size_t index; /* of the page in the arena */
		int finder;
	} probe;
	struct slot slots[MAX_SLOTS];
};

struct block {
	char *base;
	uint32_t pages;
	bool single; /* surely one mapping */
};

struct arena {
	unsigned int count;
	struct block *blocks;
	uint32_t *generations; /* BLOCK_PAGES a block */
};

struct worker {
	unsigned int index;
	uint64_t random;
	pthread_mutex_t lock;
	struct arena arena;
	bool usable; /* in this process */
	bool running;
	pthread_t thread;
	unsigned int child_count;
	struct {
		pid_t pid;
		struct slot *slot;
	} children[MAX_CHILDREN];
};

struct options {
	uint64_t pages, seed, seconds, mib, threads, kill, spoil;
};

extern struct options options;
extern struct shared *shared;
extern struct slot *self; /* this process */
extern struct worker workers[MAX_WORKERS];
extern atomic_bool process_stop; /* this process's threads are to end */

/* forkstorm.c */
void step(struct worker *worker);
/* This thread's worker goes on, with that. */
void beat(const char *operation);
void *worker_main(void *argument);
/* Ends this process and the run. */
void fail(struct worker *worker, const char *format, ...)
	__attribute__((noreturn, format(printf, 2, 3)));
bool one_in(struct worker *worker, unsigned int n);
unsigned int below(struct worker *worker, unsigned int n);

/* arena.c; all under the arena's lock. */
void arena_new(struct worker *worker, unsigned int blocks);
void arena_check(struct worker *worker); /* every page, and the model */
void arena_operation(struct worker *worker);
/* Gives a large part of it back. */
void arena_shrink(struct worker *worker);

/* race.c */
void race_new(void);
void race_write(struct worker *worker, unsigned int pages);
/* In a child: what fork found in a part that another thread was writing at that moment. Each page
 * holds one write, or the beginning of one and the end of the one before it. */
void race_check_torn(struct worker *worker, struct worker *part);
void race_check(struct worker *worker, struct worker *part);
/* Writes all of it anew. */
void race_settle(struct worker *part);

/* processes.c */
void fork_operation(struct worker *worker);
void exec_operation(struct worker *worker);
void reap(struct worker *worker, bool all);
/* The children of processes that have ended come to the first process. True: there are none. */
bool reap_orphans(bool all);
int leaf_main(uint64_t seed);
/* Ends this process: joins, reaps, checks all. */
void process_end(struct worker *worker) __attribute__((noreturn));
void start_threads(struct worker *worker, unsigned int one_of);
void join_threads(struct worker *worker);

/* segments.c: shared memory over at most so many pages; over how many it is, 0: none. */
void segments_new(void);
unsigned int segment_attach(struct worker *worker, char *at, unsigned int most);

/* probe.c: asks all processes about a page that is wrong here, for two seconds. */
void probe_all(struct worker *worker, size_t index);
/* Once a process, under the arena's lock, when the probe is open. */
void probe_answer(struct worker *worker);

/* watch.c */
void watch_start(void);

#endif
