/* SPDX-License-Identifier: MIT */
/*
 * Calls that another process can make last for good, waited for a while only.
 *
 * Such a wait is ended by SIGKILL alone, and a look before the call may be outrun. So the call is
 * made by a thread that can be given up: it is forgotten, and is used again once its call ends.
 * Idle ones wait for the next question, each on the CPU of whoever asks: to wake one elsewhere
 * takes ten times as long. Any thread.
 */
#ifndef BASE_ASK_H
#define BASE_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Most threads whose calls were given up. */
#define ASK_STUCK 256u

/* What may be held up. */
enum ask_about {
	ASK_MEMORY, /* by a page of the process that nobody brings */
	ASK_LOCK,   /* by a lock that the process holds in exec */
	ASK_CALL,   /* by that, or as its thread does not come to sleep */
	ASK_FILE,   /* by a file system */
};

/* Given up, it is the thread's that asked. */
struct question {
	long (*call)(struct question *question);
	/* Undoes what the call did when nobody waits for it any more; NULL: there is nothing. */
	void (*undo)(struct question *question, long result);
	enum ask_about about;
	pid_t pid, other; /* whom it is asked of: processes, or threads of them; 0: none */
	_Atomic pid_t at; /* whom the call waits for now: `pid`, unless it says; 0: not known */
	const char *name; /* a literal */
	uint64_t value;	  /* flags, an address */
	int file;
	size_t size;
	char bytes[];
};

/* All zero but `size`, with so many bytes; to be freed with ask_end. NULL: no memory. */
struct question *ask_new(size_t size);
void ask_end(struct question *question);

/*
 * Calls, and waits so long. What the call returned, or -ETIMEDOUT: given up, now or in a call
 * before, which still lasts, about the same thing of one of the processes (ASK_MEMORY: within
 * `patience_ns`), and *question is NULL if it is now; -EAGAIN: too many were; -ENOMEM. A thread
 * that was stopped, or not given a CPU, is waited for longer.
 */
long ask(struct question **question, uint64_t patience_ns);

/* How many questions of this thread had no answer: what follows from them is not sure if that has
 * changed. */
unsigned int ask_unanswered(void);

#endif
