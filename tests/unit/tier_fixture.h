/* SPDX-License-Identifier: MIT */
/*
 * A store and a tier thread over backends that fail on demand, and what their tests do with them.
 *
 * The thread's time stands still but for what a test lets pass; its naps are short.
 */
#ifndef TESTS_TIER_FIXTURE_H
#define TESTS_TIER_FIXTURE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "fault_backend.h"
#include "store/store.h"
#include "tier/tier.h"

#define MIB	  (1ull << 20)
#define CLUSTERS  1024u
#define PAGES	  (CLUSTERS * CLUSTER_SLOTS) /* 64 MiB that do not compress */
#define RAM_BYTES (16 * MIB)
#define SHARE	  (10 * MIB)
#define BACKENDS  3

/* A store, a tier, and what every slot should hold. */
struct world {
	struct store *store;
	struct space *space;
	struct store_writer *writer;
	struct tier *tier;
	struct backend *backends[BACKENDS];
	struct fault_controls *controls[BACKENDS];
	unsigned int backend_count;
	uint32_t clusters[CLUSTERS];
	uint32_t versions[PAGES]; /* 0: nothing was put */
	_Atomic int64_t now;	  /* ns */
	atomic_uint naps;	  /* that the thread has begun */
	atomic_bool naps_whole;	  /* as long as the thread asks for, in real time */
	pthread_mutex_t lock;
	char said[4096]; /* all lines, each with a newline */
};

/* Of each backend its extents and its priority; with RAM_BYTES, or `ram`, for segments. */
struct world *open_world(unsigned int backends, const unsigned int *extents, const int *priorities);
struct world *open_world_of(uint64_t ram, unsigned int backends, const unsigned int *extents,
			    const int *priorities);
/* Checks that nothing leaks. */
void close_world(struct world *world);

#define MILLISECOND 1000000ll
#define SECOND	    (1000 * MILLISECOND)
/* Time passes for the thread. */
void pass_time(struct world *world, int64_t ns);
/* Returns when the thread has looked at everything since, and has nothing to do. */
void let_it_rest(struct world *world);

/* How often the tier said something with that in it. */
unsigned int times_said(struct world *world, const char *part);

slot_t *slot_at(struct world *world, unsigned int page, uint64_t *id);
/* What it held is dropped. */
void set_slot(struct world *world, unsigned int page, desc_t word);

/* Bytes that no codec makes smaller, other ones for each page and version. */
void make_page(unsigned int page, uint32_t version, void *bytes);
/* False: no room, and none in sight. */
bool put(struct world *world, unsigned int page, uint32_t version);
/* The same; so much time passes each time that there is no room yet. */
bool put_passing(struct world *world, unsigned int page, uint32_t version, int64_t ns);
/* Puts version 1 of the first `pages`. */
void fill(struct world *world, unsigned int pages);
void drop(struct world *world, unsigned int page);
int get(struct world *world, unsigned int page, void *bytes);
void check_page(struct world *world, unsigned int page);
void check_all(struct world *world);

#endif
