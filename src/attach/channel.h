/* SPDX-License-Identifier: MIT */
/*
 * The channel between the owner and the agent: one shared mapping (a memfd) that
 * both have. The agent is a few hundred lines without libc (agent.c); this header
 * is all that the two share, so it includes nothing but fixed-width types.
 *
 * The program can write here, at any moment. So nothing that stands here decides anything for the
 * owner: it uses no value as an index, an address or a length, knows by itself which command it
 * sent and whether the agent may move, and waits on nothing here without a bound. What the program
 * writes here harms its own pages at most.
 *
 * One command at a time:
 *   owner: fills verb, count, from[], staging; command += 1; futex wake
 *   agent: does it; done = command; futex wake
 * The agent sleeps in futex wait on `command` only.
 */
#ifndef ATTACH_CHANNEL_H
#define ATTACH_CHANNEL_H

#include <stdint.h>

#define CHANNEL_BATCH 256u /* most pages of one MOVE command, and pages of one staging area */
#define CHANNEL_CHUNK 16u  /* most pages moved under one hold of the lock */
#define CHANNEL_WORDS 16u  /* most futexes of one BURY command */
#define CHANNEL_MAGIC 0x7673776170303031ull

/* The agent never ends by itself: the owner makes it leave (trace_exit). */
enum channel_verb {
	CHANNEL_MOVE = 1,  /* from[i] -> staging + i * 4096, for i < count; empty first if told */
	CHANNEL_EMPTY = 2, /* MADV_DONTNEED of `empty` (unregistered then) */
	CHANNEL_BURY = 3,  /* each futex at from[i] that is word[i] still: its owner has died */
};

/* What became of a page. */
enum channel_result {
	CHANNEL_MOVED = 0,
	CHANNEL_NOT_TRIED = 1,
	CHANNEL_PARTED = 2,   /* moved; until then it was shared by fork, or had been */
	CHANNEL_MARKED = 4,   /* and it left a mark (marks.h): a bit beside _MOVED and _PARTED */
	CHANNEL_STRANGER = 8, /* stays: nobody registered it */
};

/* Why the agent did nothing at all with a command. */
enum channel_refusal {
	CHANNEL_DONE = 0,
	CHANNEL_SECCOMP = 1, /* the program installed a filter: leave it alone */
	CHANNEL_TRACED = 2,  /* a debugger is at the program: not now */
};

/*
 * What the agent sees of the memory lock (pager/attached/lock.h has the protocol). Each word is
 * written by one side; `closed` and `moving` are futexes.
 */
struct gate {
	uint32_t closed;      /* owner: a writer has the lock, or waits for it */
	uint32_t revoked;     /* owner: the agent may move nothing more for this command */
	uint32_t owner_waits; /* owner: sleeps on `moving` */
	uint32_t moving;      /* agent: 1 while it moves a chunk */
	uint32_t agent_waits; /* agent: sleeps on `closed` */
};

struct channel {
	uint64_t magic;
	uint32_t command; /* sequence number, futex */
	uint32_t done;	  /* sequence number of the last finished command, futex */
	uint32_t verb, count;
	uint32_t refusal;   /* enum channel_refusal */
	uint32_t agent_tid; /* set once at the start */
	struct gate gate;
	uint32_t started;      /* 1 when the agent runs, futex */
	int32_t userfault;     /* descriptor numbers in the agent's own table: ... */
	int32_t leash;	       /* ... what it keeps open; smaller than `userfault` or larger */
	uint32_t user;	       /* that the agent is to become: nobody else is; 0: it must not */
	uint64_t staging;      /* target address of CHANNEL_BATCH pages: destination of MOVE */
	uint64_t empty;	       /* staging area to empty first; 0: none */
	uint64_t code_staging; /* where pages go that are executable; 0: nowhere */
	uint64_t code_empty;   /* like `empty` */
	uint32_t empty_pages;
	uint32_t mark; /* MOVE: what has moved leaves marks */
	uint32_t part; /* MOVE: pages that fork left shared are made the program's own first */
	uint64_t from[CHANNEL_BATCH];
	uint32_t word[CHANNEL_WORDS];
	int16_t result[CHANNEL_BATCH]; /* enum channel_result, or -errno: it stays; a hint:
					  the truth is what stands in staging after the revoke */
};

#endif
