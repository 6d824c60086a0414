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
#include "base/ask.h"

/* Opens /proc/PID/`name`, a literal, with these flags and O_CLOEXEC; -errno, -ETIMEDOUT among
 * them. `pid` may be a thread. */
int ask_open(pid_t pid, const char *name, int flags);

/* Reads the start of such a file; bytes or -errno. */
ssize_t ask_read(pid_t pid, const char *name, enum ask_about about, void *bytes, size_t size);

/* They share one memory (vfork, CLONE_VM), and both are there. False, too, when one does not answer
 * (ask_unanswered): it has just got a memory of its own, most likely. */
bool ask_same_memory(pid_t one, pid_t other);

#endif
