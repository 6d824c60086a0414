/* SPDX-License-Identifier: MIT */
/* Messages about what the program under attachment refuses. */
#ifndef ATTACH_EXPLAIN_H
#define ATTACH_EXPLAIN_H

#include <stdint.h>
#include <sys/types.h>
#include "base/message.h"

/*
 * Says (as explain does) what system call failed inside the process, which was to make `what`
 * there. Where a limit of the program was in the way, which may not be so later, the message says
 * which, and -ENOMEM, -EMFILE or -ENFILE is returned.
 */
int explain_call(char *message, pid_t pid, long number, long error, const char *what);

#endif
