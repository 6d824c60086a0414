/* SPDX-License-Identifier: MIT */
/*
 * Memory of a live process, and its vDSO.
 *
 * A read may never end: the program can have put what is read under a userfaultfd that nobody
 * serves, or into a file of its own FUSE server, and such a wait is ended by SIGKILL only. There is
 * no read that does not wait, and a look before it may be outrun. So no thread that others need
 * reads by itself: a thread that does is one that can be given up. It is forgotten, and ends when
 * its read does.
 *
 *   remote_read, _write, _file   in a thread of its own (ask.h), waited for REMOTE_NS at most
 *   remote_readv                 in the caller's thread, which somebody watches (remote_guard),
 * since the evictor reads too often for more
 */
#ifndef ATTACH_REMOTE_H
#define ATTACH_REMOTE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Longest wait for one read; the process is then not read for REMOTE_NS again. */
#define REMOTE_NS 2000000000ull

/* All of `size` or an error: 0, -ESRCH, -EFAULT, -ETIMEDOUT: it was given up, -EAGAIN: too many
 * were. */
int remote_read(pid_t tid, uint64_t address, void *bytes, size_t size);
int remote_write(pid_t tid, uint64_t address, const void *bytes, size_t size);
/* Reads from the start of a file of /proc that shows a process's memory: bytes or -errno. */
ssize_t remote_file(int file, void *bytes, size_t size);

/* Of a thread that reads by itself. */
struct remote_guard {
	_Atomic uint32_t reads; /* begun and ended: odd inside of one */
	pid_t tid;
};

/* This thread reads under that guard from now on, which it owns (malloc). */
void remote_watched(struct remote_guard *guard);
/* As process_vm_readv, the parts of `to` and `from` alike. Does not return, but ends the thread,
 * when it has been given up meanwhile. */
ssize_t remote_readv(pid_t tid, const struct iovec *to, const struct iovec *from,
		     unsigned int parts);
/* Gives up the thread, which was seen in this read. False: the read has ended. */
bool remote_give_up(struct remote_guard *guard, uint32_t reads);

/* The address of a syscall instruction: in the vDSO, or, where there is none, in any code that may
 * be read. -ENOEXEC: none. */
int remote_syscall(pid_t tid, uint64_t *address);

#endif
