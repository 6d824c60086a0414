/* SPDX-License-Identifier: MIT */
/* Borrowing a thread of a stopped process (trace.h) to make system calls. */
#ifndef ATTACH_BORROW_H
#define ATTACH_BORROW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "attach/trace.h"

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

#endif
