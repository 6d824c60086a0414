/* SPDX-License-Identifier: MIT */
/*
 * Robust mutexes of threads that end while the mutex's page is leaving. At the end of a thread the
 * kernel marks what it holds, and serves no userfault then: a page that is missing at that moment
 * is passed over, and the next to lock the mutex would wait for ever. What a thread is known to
 * hold stays (attach/threads.h), but one may take a lock on a cold page and end, or be born and
 * end, within one batch. So the bytes that left are searched for such mutexes, and the agent does
 * what the kernel could not.
 *
 * Known by the layout of glibc's pthread_mutex_t on x86-64 (bits/struct_mutex.h).
 */
#ifndef PAGER_ROBUST_H
#define PAGER_ROBUST_H

#include <stdint.h>
#include <sys/types.h>

struct robust_lock {
	uint64_t address; /* of its futex */
	uint32_t word;	  /* the futex: its holder's thread id, and perhaps FUTEX_WAITERS */
};

/* The robust mutexes of a page of 4096 bytes at `address` that are held, at most `most`; how many.
 */
unsigned int robust_find(const uint8_t *page, uint64_t address, struct robust_lock *locks,
			 unsigned int most);

/* The newest process or thread id that the kernel has given out; -1: not known. An open
 * /proc/loadavg. */
pid_t robust_last_id(int loadavg);

#endif
