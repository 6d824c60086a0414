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
	bool our_child;	    /* its exit status is our caller's to take */
	bool group_stopped; /* by SIGSTOP or the terminal */
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

/* Runs in the session's thread with every thread (but `skip`) stopped. */
typedef int (*trace_fn)(struct trace *trace, void *argument);

/*
 * Stops every thread of the process but `skip` (0: none), calls `work`, lets all go.
 * What `work` returned, or -errno when they could not be stopped: -ETIMEDOUT, -ESRCH, -EPERM.
 */
int trace_session(pid_t pid, pid_t skip, int timeout_ms, trace_fn work, void *argument);

/* Stops this one thread, if it can be stopped, and lets it go: its call begins anew, or ends
 * (restart.h). */
void trace_touch(pid_t pid, pid_t tid);

/* Whether no stopped thread has a seccomp filter: one could kill the program for a call of ours.
 * Asked while they stand still, so that none can be installed meanwhile. */
bool trace_is_unfiltered(const struct trace *trace);

/* Saves a stopped thread's registers and signal mask, for trace_call: `tid`, or, if that is 0, any.
 * The program dies if the owner dies before trace_give_back. 0, or -ESRCH: it is not there. */
int trace_borrow(struct trace *trace, pid_t tid);
int trace_give_back(struct trace *trace);

/*
 * One system call in the borrowed thread, at `address` (0: in the vDSO), where a syscall
 * instruction stands. What the call returned, or -ESRCH; -ETIMEDOUT after a minute, and then
 * the program cannot be saved.
 */
long trace_call_at(struct trace *trace, uint64_t address, long number, const uint64_t arguments[6]);

#define trace_call(trace, number, ...) \
	trace_call_at((trace), 0, (number), (const uint64_t[6]){__VA_ARGS__})

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

/* Whether a thread has exited (it may still be listed, as a zombie). */
bool thread_dead(pid_t pid, pid_t tid);

#endif
