/* SPDX-License-Identifier: MIT */
/* Waiting for the stops of traced threads, for a bounded time. The tracing thread only. */
#ifndef ATTACH_WAIT_H
#define ATTACH_WAIT_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include "attach/trace.h"

#define SYSCALL_STOP (SIGTRAP | 0x80)
#define EVENT_STOP   128 /* PTRACE_EVENT_STOP: glibc's and the kernel's headers do not mix */
/* Of all threads that are traced. */
#define TRACE_OPTIONS PTRACE_O_TRACESYSGOOD

/* A bounded wait. What we wait for often needs this very CPU, so it sleeps from the start; a thread
 * that yields instead comes after all others for it, since Linux 6.18 for long. */
struct patience {
	unsigned int turns;
	uint64_t deadline;
	bool hurry; /* while threads stand still: none that waits in the kernel is waited for */
	uint64_t stuck;
};

struct patience patience_of(int milliseconds);
/* Sleeps a moment; false when the time is over. */
bool wait_patiently(struct patience *patience);

/*
 * 1 and the status of a thread that has stopped; 0: not yet; -ESRCH: it has exited.
 * A thread that we trace must be reaped by us, but not our own child: its exit
 * status is for those who run it.
 */
int wait_next(const struct trace *trace, pid_t tid, int *status);
/* Waits for its next stop. 0; -ESRCH; -ETIMEDOUT. */
int wait_stop(const struct trace *trace, pid_t tid, struct patience *patience, int *status);
/* Waits for the stop that we asked for; a signal that comes first is the thread's own. The same. */
int wait_interrupted(struct trace *trace, pid_t tid, struct patience *patience);

/* Whether a thread has exited (it may still be listed, as a zombie). errno stays. */
bool thread_dead(pid_t pid, pid_t tid);

#endif
