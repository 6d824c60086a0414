/* SPDX-License-Identifier: MIT */
/* System calls that end with EINTR when their thread is stopped. */
#ifndef ATTACH_RESTART_H
#define ATTACH_RESTART_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

int registers_get(pid_t tid, struct user_regs_struct *registers);
int registers_set(pid_t tid, struct user_regs_struct *registers);

/*
 * Most calls that a stop interrupts are restarted by the kernel. Some are not
 * (epoll_wait, semop, reads with a timeout, ...: signal(7)) and return EINTR, which a
 * program without signal handlers has no reason to expect. If our stop alone can
 * have been the cause, this makes the thread call again (timeouts.h: for what is left of its time).
 */
void restart_interrupted(pid_t pid, pid_t tid);

/* The signals that a thread blocks now: within some calls (ppoll, epoll_pwait, ...) others than
 * ptrace says, which are those that it will block afterwards. */
uint64_t restart_blocked(pid_t pid, pid_t tid);

/*
 * For a thread that was made to run something else in a call that blocked `within` for its
 * duration: the kernel has forgotten these, so a signal that they held up would now end the call.
 * Changes the registers so that it comes before the call, which is then made anew. No signal
 * that the call itself waits for is held up by that.
 */
void restart_masked(pid_t pid, pid_t tid, uint64_t within, struct user_regs_struct *registers);

/*
 * For a thread that is made to run something else meanwhile: if it stands in a restartable
 * sequence (rseq(2)), its registers are sent to the abort handler, as the kernel does when it
 * takes the CPU away. The kernel itself cannot: it sees the other code.
 */
void restart_sequence(pid_t tid, struct user_regs_struct *registers);

#endif
