/* SPDX-License-Identifier: MIT */
/*
 * Time-outs of the calls that restart.c makes again. The kernel would begin each anew, so the owner
 * remembers when a call was first seen, and ends it itself once its time is over.
 *
 * A call that is made again is known by a mark in the upper half of rax, which the kernel does not
 * look at but gives back in orig_rax. No register or memory that the program may look at changes.
 */
#ifndef ATTACH_TIMEOUTS_H
#define ATTACH_TIMEOUTS_H

#include <stdbool.h>
#include <sys/types.h>

struct user_regs_struct;

/*
 * For a stopped thread whose call ended with EINTR and is about to be made again. False: make it,
 * as the registers are now. True: its time was over; the registers say so, and it is to go on.
 * Counts from when the call was first seen, so it comes late by what it had waited before that.
 * Any thread.
 */
bool timeouts_resume(pid_t pid, pid_t tid, struct user_regs_struct *registers);

/* Ends the calls whose time is over, each by a stop of its thread. The same thread as sessions.
 * When it must be called again, microseconds from now; at most `most`. */
int timeouts_end(int most, void (*touch)(pid_t pid, pid_t tid));

#endif
