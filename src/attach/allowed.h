/* SPDX-License-Identifier: MIT */
/* Which processes can be attached. */
#ifndef ATTACH_ALLOWED_H
#define ATTACH_ALLOWED_H

#include <sys/types.h>
#include "base/message.h"

/*
 * Says whether the process can be attached: exists, is ours to trace, 64-bit, no
 * kernel thread, no seccomp filter, not traced, not attached already, not
 * the caller. 0 or -errno with a message that says what to do.
 */
int attach_allowed(pid_t pid, char message[MESSAGE_BYTES]);

#endif
