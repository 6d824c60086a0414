/* SPDX-License-Identifier: MIT */
/*
 * Robust mutexes of threads that end while the mutex's page is leaving. At the end of a thread the
 * kernel marks what it holds, and serves no userfault then: a page that is missing at that moment
 * is passed over, and the next to lock the mutex would wait for ever. What a thread is known to
 * hold stays (attach/threads.h), but one may take a lock on a cold page and end, or be born and
 * end, within one batch. So the bytes that left are searched for such mutexes, and the agent does
 * what the kernel could not.
 *
 * Recognised by the layout of glibc's pthread_mutex_t on x86-64 (bits/struct_mutex.h), and by its
 * place in its holder's list: its neighbours are the head of a robust list, which says where in a
 * mutex the futex is, or other mutexes of the same holder. Data of a program may look like the
 * mutex alone; it would be written to.
 */
#ifndef PAGER_EVICTION_ROBUST_H
#define PAGER_EVICTION_ROBUST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct robust_lock {
	uint64_t address;      /* of its futex */
	uint32_t word;	       /* the futex: its holder's thread id, and perhaps FUTEX_WAITERS */
	uint64_t neighbour[2]; /* where those before and behind it in its list are to be read */
};

/* Bytes to read of a neighbour: so many, and if there are, some more (else 0). */
#define ROBUST_BYTES	  40u
#define ROBUST_MORE_BYTES 8u

/* What may be robust mutexes that are held, in a page of 4096 bytes at `address`, at most `most`;
 * how many. */
unsigned int robust_find(const uint8_t *page, uint64_t address, struct robust_lock *locks,
			 unsigned int most);

/* Whether what was read of a neighbour belongs to the same list. */
bool robust_is_neighbour(const struct robust_lock *lock, const uint8_t *bytes);

/* The newest process or thread id that the kernel has given out; -1: not known. An open
 * /proc/loadavg. */
pid_t robust_last_id(int loadavg);

#endif
