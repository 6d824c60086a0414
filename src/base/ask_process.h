/* SPDX-License-Identifier: MIT */
/*
 * What only one who may trace a process is told of it. The kernel takes a lock for each of these
 * that exec holds: while it closes files, of a file system that may not answer, the process is as
 * if it had ended. So they are asked (ask.h), by whoever must not be held up. Who may not be traced
 * is not asked at all. Any thread.
 */
#ifndef BASE_ASK_PROCESS_H
#define BASE_ASK_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Opens /proc/PID/`name`, a literal, with these flags and O_CLOEXEC; -errno, -ETIMEDOUT among
 * them. `pid` may be a thread. */
int ask_open(pid_t pid, const char *name, int flags);

/* The first line of /proc/TID/`name`, a literal; "": there is none. */
void ask_line(pid_t tid, const char *name, char *text, size_t size);

/* They share one memory (vfork, CLONE_VM), and both are there. One that does not answer has just
 * got a memory of its own. */
bool ask_same_memory(pid_t one, pid_t other);

#endif
