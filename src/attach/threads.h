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

struct kept_thread;

/* Starts as all zeros. */
struct kept_pages {
	uint64_t *pages; /* sorted, page addresses */
	size_t count, capacity;
	uint64_t arguments_start, arguments_end; /* arguments and environment, page-aligned */
	pid_t *threads;				 /* sorted: which threads the pages belong to */
	size_t thread_count, thread_capacity;
	uint64_t changes; /* scans that found other threads than the one before */

	/* threads.c alone uses the rest */
	struct kept_thread *records; /* one for each of threads[] */
	pid_t *seen;		     /* thread_capacity of them */
	uint64_t *gone;		     /* heads of threads that were gone at the last scan */
	size_t gone_count, gone_capacity, locks;
	uint64_t scans;
	int directory; /* descriptor of /proc/PID/task, plus one; 0: not open */
};

/*
 * Rescans /proc/PID/task; asks get_robust_list for each thread that is new (the head
 * page, its neighbour, and the page of each lock on the list at that moment). Pages of threads
 * that are gone stay for one more scan. 0 or -errno; -ESRCH: gone. Never allocates when no
 * thread is new and no more locks are held than ever before.
 *
 * It reads the lists of locks from the program's memory. The heads are kept, so
 * they are present; a lock may lie on a swapped page, and the read then waits for the fault to be
 * served: never call this from the only thread that serves faults, nor with the memory's lock held.
 */
int kept_pages_scan(pid_t pid, struct kept_pages *kept);
bool kept_pages_has(const struct kept_pages *kept, uint64_t address);
void kept_pages_free(struct kept_pages *kept);

/* CPU that a thread last ran on, from an open /proc/PID/task/TID/stat; -1 when gone. */
int thread_cpu(int stat_fd);

#endif
