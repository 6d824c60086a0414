/* SPDX-License-Identifier: MIT */
/* The address spaces that are served. Private to src/pager. */
#ifndef PAGER_ATTACHED_LISTING_H
#define PAGER_ATTACHED_LISTING_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct attached;

/*
 * `lock` for the list itself. One is freed (attached_bury) when it is no longer listed, the evictor
 * is not at it, and `serving` has been held for writing: servers hold it for reading while they use
 * one, and look at the generation each time they take it. What fetches (fetch.h) knows one by its
 * id only, and looks it up when it has the bytes.
 */
struct listing {
	pthread_mutex_t lock;
	pthread_cond_t evicting_changed;
	struct attached **items;
	size_t count, capacity;
	struct attached *evicting;
	_Atomic uint32_t generation;
	_Atomic uint64_t ids;
	pthread_rwlock_t serving;
};

#endif
