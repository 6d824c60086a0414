/* SPDX-License-Identifier: MIT */
/*
 * Pages that must stay because the kernel writes to them when a thread exits and
 * serves no userfault then: the thread's tid word (CLONE_CHILD_CLEARTID) and its
 * robust list. glibc and musl keep both in the thread's control block, where
 * get_robust_list(2) points; also the arguments and environment, which other
 * processes read.
 */
#ifndef ATTACH_THREADS_H
#define ATTACH_THREADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct kept_pages {
	uint64_t *pages; /* sorted, page addresses */
	size_t count, capacity;
	uint64_t arguments_start, arguments_end; /* arguments and environment, page-aligned */
	pid_t *threads; /* sorted: which threads the pages belong to */
	size_t thread_count, thread_capacity;
};

/* Rescans /proc/PID/task; asks get_robust_list for each thread that is new (the head
 * page, its neighbours, and the page of each lock on the list at that moment). Pages of threads
 * that are gone stay for one more scan. 0 or -errno; -ESRCH: gone. Never allocates when no thread
 * is new. */
int kept_pages_scan(pid_t pid, struct kept_pages *kept);
bool kept_pages_has(const struct kept_pages *kept, uint64_t address);
void kept_pages_free(struct kept_pages *kept);

/* CPU that a thread last ran on, from an open /proc/PID/task/TID/stat; -1 when gone. */
int thread_cpu(int stat_fd);

#endif
