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
int inject_all(struct trace *trace, struct target *target, char message[ATTACH_MESSAGE]);

/* Makes the agent leave and unmaps everything; closes nothing of the owner's. */
int inject_undo(struct trace *trace, struct target *target);

#endif
