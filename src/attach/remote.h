/* SPDX-License-Identifier: MIT */
/* The memory of a stopped program. `tid`: any live thread of it. */
#ifndef ATTACH_REMOTE_H
#define ATTACH_REMOTE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* All of it, or -errno. */
int remote_read(pid_t tid, uint64_t address, void *bytes, size_t size);
int remote_write(pid_t tid, uint64_t address, const void *bytes, size_t size);

/* The address of a syscall instruction: in the vDSO, or, where there is none, in any code that may be
 * read. -ENOEXEC: none. */
int remote_syscall(pid_t tid, uint64_t *address);

#endif
