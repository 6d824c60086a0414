/* SPDX-License-Identifier: MIT */
/*
 * userfaultfd's ioctls, typed. All return -errno; installing calls return how
 * many pages were installed when that is at least one.
 *
 *   -EAGAIN  mappings are changing: an event waits to be read, or its waiter has not
 *            woken up yet. Start again at the lookup.
 *   -ENOENT, -EINVAL  (part of) the range is not registered any more
 *   -EEXIST  the first page is present
 *   -ESRCH   the address space is gone
 */
#ifndef PAGER_ATTACHED_USERFAULT_H
#define PAGER_ATTACHED_USERFAULT_H

#include <stdbool.h>
#include <stdint.h>

/* `marks`: its pages are to have marks (attach/marks.h). */
int userfault_register(int fd, uint64_t start, uint64_t bytes, bool marks);
int userfault_unregister(int fd, uint64_t start, uint64_t bytes);
/* `quiet`: the threads that wait for the pages sleep on until userfault_wake. */
int userfault_copy(int fd, uint64_t to, const void *from, unsigned int pages, bool quiet);
int userfault_zero(int fd, uint64_t to, unsigned int pages, bool quiet);
/* Nowhere but where nothing is, not even a mark. */
int userfault_poison(int fd, uint64_t page);
/* Puts marks where nothing is. 0 or -errno: some may stand there then. */
int userfault_mark(int fd, uint64_t start, unsigned int pages);
int userfault_unmark(int fd, uint64_t page);
int userfault_wake(int fd, uint64_t start, unsigned int pages);

/* Some thread's event has not been read yet, or the thread has not woken up since: -EAGAIN. */
bool userfault_is_changing(int fd);
/* -ESRCH. */
bool userfault_is_gone(int fd);

#endif
