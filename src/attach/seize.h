/* SPDX-License-Identifier: MIT */
/*
 * PTRACE_SEIZE, for a while only: it waits for a lock that a process holds in exec, which can be
 * as long as a file system likes. The wait ends with a signal, which whoever waits for the thread
 * that seizes sends it: the handler leaves the call, since the kernel would make it again.
 */
#ifndef ATTACH_SEIZE_H
#define ATTACH_SEIZE_H

#include <pthread.h>
#include <sys/types.h>

/* Longest wait. */
#define SEIZE_NS 100000000ull

/* 0 or -errno: -ETIMEDOUT. All signals blocked; by one thread at a time. */
int seize(pid_t tid, unsigned long options);

/* Waits for the end of the thread that seizes. Signals reach it in seize() only. */
void seize_join(pthread_t thread);

#endif
