/* SPDX-License-Identifier: MIT */
/* Messages to users: what failed, why, what to do now. */
#ifndef ATTACH_EXPLAIN_H
#define ATTACH_EXPLAIN_H

#include <stdint.h>
#include <sys/types.h>

/* Fills the message (ATTACH_MESSAGE bytes) and returns the error. */
int explain(char *message, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * The same for a system call that failed inside the process, which was to make `what` there. Where
 * a limit of the program was in the way, which may not be so later, the message says which, and
 * -ENOMEM, -EMFILE or -ENFILE is returned.
 */
int explain_call(char *message, pid_t pid, long number, long error, const char *what);

#endif
