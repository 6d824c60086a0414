/* SPDX-License-Identifier: MIT */
/* Putting the userfaultfd, the agent and its memory into a stopped process, and taking them out. */
#ifndef ATTACH_INJECT_H
#define ATTACH_INJECT_H

#include "attach/attach.h"
#include "attach/trace.h"

/*
 * Fills everything of *target but pid and pidfd. On failure nothing is left in
 * the process, and a message says why. The threads are stopped, one is borrowed.
 */
int inject_all(struct trace *trace, struct target *target, char message[MESSAGE_BYTES]);

/* Makes the agent leave and unmaps everything; closes nothing of the owner's. A thread is borrowed.
 */
int inject_undo(struct trace *trace, struct target *target);

/*
 * The same, but all calls are made by the agent: none of the program's own threads is borrowed.
 * They may have seccomp filters; where the agent has one, too, all of it stays: -EACCES.
 */
int inject_leave(struct trace *trace, struct target *target);

#endif
