/* SPDX-License-Identifier: MIT */
/*
 * Stopping a live process and borrowing one of its threads to make system calls.
 *
 * Each session runs in a thread of its own, so that whatever happens the kernel
 * lets every thread of the program go when that thread ends: PTRACE_DETACH alone
 * cannot let go a thread that has not stopped (one asleep in vfork, say).
 *
 * Nothing is written over the program's code: calls are made through the
 * `syscall` instruction of its vDSO. Signals that arrive meanwhile are neither
 * lost nor seen early, a stopped (SIGSTOP) program stays stopped, and an
 * interrupted system call restarts as after any stop.
 */
#ifndef ATTACH_TRACE_H
#define ATTACH_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>
#include "attach/dispatch.h"

struct tracee {
	pid_t tid;
	bool stopped;
};

struct trace {
	pid_t pid;
	bool our_child;		/* its exit status is our caller's to take */
	bool group_stopped;	/* by SIGSTOP or the terminal */
	struct tracee *threads; /* in the order of their ids */
	size_t count, capacity;
	int timeout_ms; /* for all threads to stop */

	pid_t borrowed; /* the thread that makes the calls; 0: none */
	uint64_t syscall_address;
	struct user_regs_struct registers; /* its own, to be given back */
	uint64_t signal_mask, call_mask;   /* the latter while its call lasts, if that has one */
	struct dispatch dispatch;
	int nice; /* its own: while it is borrowed it comes before others */
};

/* Where the thread is among threads[], or belongs. */
static inline size_t trace_place(const struct trace *trace, pid_t tid)
{
	size_t low = 0, high = trace->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (trace->threads[middle].tid < tid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* NULL: it is none of threads[]. */
static inline struct tracee *trace_find(const struct trace *trace, pid_t tid)
{
	size_t at = trace_place(trace, tid);

	return at < trace->count && trace->threads[at].tid == tid ? &trace->threads[at] : NULL;
}

/* Runs in the session's thread with every thread (but `skip`) stopped. */
typedef int (*trace_fn)(struct trace *trace, void *argument);

/*
 * Stops every thread of the process but `skip` (0: none), calls `work`, lets all go.
 * What `work` returned, or -errno when they could not be stopped: -ETIMEDOUT, -ESRCH, -EPERM.
 */
int trace_session(pid_t pid, pid_t skip, int timeout_ms, trace_fn work, void *argument);

/* The same for one more process, from within `work`: those of the session stay stopped. */
int trace_within(pid_t pid, pid_t skip, int timeout_ms, trace_fn work, void *argument);

/* Stops this one thread, if it can be stopped, and lets it go: its call begins anew, or ends
 * (restart.h). */
void trace_touch(pid_t pid, pid_t tid);

/*
 * There is no session from here to trace_go_on: a stop that waitid tells of is the process's own.
 * `wait`: for the end of one; else false while there is one. Not from within a session.
 */
bool trace_pause(bool wait);
void trace_go_on(void);

/* Stops one more thread; 0 too when it is one of threads[] already, or gone. */
int trace_adopt(struct trace *trace, pid_t tid);

/* Makes a stopped thread leave by SYS_exit; it is gone from /proc when this returns 0. */
int trace_exit(struct trace *trace, pid_t tid);

/* The thread of the stopped process that is not one of threads[]; 0: there is none. Its number is
 * the owner's: what clone returns is the program's, in whose namespace it may be another. */
pid_t trace_newcomer(const struct trace *trace);

/* Lets a thread that is not in threads[] and would stay stopped (group stop) run until `reached`.
 */
int trace_run(struct trace *trace, pid_t tid, bool (*reached)(void *argument), void *argument);

#endif
