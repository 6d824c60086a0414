/* SPDX-License-Identifier: MIT */
/* Threads whose system calls are dispatched to a handler of their own (Syscall User Dispatch), as
 * Wine does: a call that is made for them would raise SIGSYS. */
#ifndef ATTACH_DISPATCH_H
#define ATTACH_DISPATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct dispatch {
	uint64_t mode, selector, offset, length; /* the kernel's ptrace_sud_config; mode 0: off */
};

/* Of a stopped thread. Off where the kernel cannot tell (before Linux 6.4). */
void dispatch_get(pid_t tid, struct dispatch *dispatch);
/* Switches it off, and as it was. */
void dispatch_suspend(pid_t tid, const struct dispatch *dispatch);
void dispatch_resume(pid_t tid, const struct dispatch *dispatch);

#endif
