/* SPDX-License-Identifier: MIT */
/* Letting go of a process. Control thread only. */
#ifndef PAGER_PROGRAM_RELEASE_H
#define PAGER_PROGRAM_RELEASE_H

#include <stdbool.h>
#include "base/message.h"

struct attached;

/* Everything is back: unregisters, takes the agent out if there is one, and frees it. Pages that
 * cannot be read are lost if `lose` says so; else it fails, and the process is served on. */
int release(struct attached *attached, bool lose, char message[MESSAGE_BYTES]);

/*
 * Brings all back and lets go without a stop and without a call made inside the program: its new
 * seccomp filter could kill it for either. The agent stays asleep in the call it made before. The
 * same for one whose process cannot be found. 0: it is freed. -EIO, -ETIMEDOUT with a message: not
 * all could be read, and it is served on.
 */
int release_abandoned(struct attached *attached, bool lose, char message[MESSAGE_BYTES]);

#endif
