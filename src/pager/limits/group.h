/* SPDX-License-Identifier: MIT */
/*
 * Groups inside a job: a tree of limits, weights and counters. The job itself is the root and has
 * no struct group: a process that is in none has NULL, and costs nothing. What a group has is
 * what its processes and those of the groups below it have of resident anonymous memory. (What they
 * have stored is charged to the job: a segment holds pages of many.)
 *
 * A group lives as long as the pager, so that servers and the evictor may go up from one to its
 * parents without a lock. Control thread: the tree and all settings. Any thread: the counters.
 */
#ifndef PAGER_LIMITS_GROUP_H
#define PAGER_LIMITS_GROUP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/message.h"

#define GROUPS 256u
/* In the environment of a group's processes: PID/PATH, PID being the job's. */
#define GROUP_VARIABLE "VSWAP_GROUP"
/* Bytes with the terminator: of one name, of the names from the job down with '/' between them, of
 * a list of tiers. */
#define GROUP_NAME  32
#define GROUP_PATH  128
#define GROUP_TIERS 512

#define GROUP_WEIGHT	  100u
#define GROUP_WEIGHT_MOST 10000u
/* Less is what every process has that never leaves. */
#define GROUP_LEAST_BYTES (4u << 20)

struct group {
	char name[GROUP_NAME];
	struct group *parent;	      /* NULL: the job */
	_Atomic uint64_t limit_bytes; /* UINT64_MAX: none of its own */
	_Atomic uint32_t weight;
	_Atomic uint16_t tiers; /* bit i: the pager's backend i may have its pages */

	/* As far as known between two looks at the processes. */
	_Atomic int64_t resident_pages;
	_Atomic int64_t target_pages;		      /* evict above it */
	_Atomic int64_t brake_pages;		      /* answer first touches late above it */
	_Atomic uint64_t pages_out, pages_in, faults; /* ever */

	/* Control thread, of the last look. */
	unsigned int processes;
	int64_t pages, fixed_pages; /* all; those that nothing can be evicted from */
	uint64_t stuck_ns;  /* above its limit, and nothing left, since then; 0: it is not */
	uint64_t stuck_out; /* pages_out at that time */
	bool told;
};

struct groups {
	struct group *items[GROUPS];
	_Atomic unsigned int count;
};

/* What is asked of a group. */
struct group_settings {
	char name[GROUP_PATH]; /* entering: its name; changing: its path */
	bool has_limit;
	uint64_t limit_bytes;	 /* 0: none */
	unsigned int weight;	 /* 0: not given */
	char tiers[GROUP_TIERS]; /* names with commas between; empty: not given */
};

/* 0, or -EINVAL with what is wrong and what is allowed. */
int group_check_name(const char *name, char *message);
int group_check_weight(uint64_t weight, char *message);
int group_check_limit(uint64_t bytes, char *message);

/*
 * The group of that name below `parent`, new or there already. Settings that one which has
 * processes has otherwise are refused; one that has none takes them. `tiers` is what the settings'
 * names stand for. 0, -EINVAL, -EBUSY or -ENOSPC with a message.
 */
int groups_enter(struct groups *groups, struct group *parent, const struct group_settings *settings,
		 uint16_t tiers, struct group **entered, char *message);
/* By its path; NULL: there is none. */
struct group *groups_find(const struct groups *groups, const char *path);
void groups_free(struct groups *groups);
/* "outer/inner"; "" for the job. Returns `path`. */
const char *group_path(const struct group *group, char path[GROUP_PATH]);

/* Takes the limit and the weight that were given. */
void group_change(struct group *group, const struct group_settings *settings);
/* What target and brake follow from, after limit or fixed_pages changed. */
void group_set_marks(struct group *group);
/* The lowest limit from the group up; UINT64_MAX: none. */
uint64_t group_tightest(const struct group *group);
/* What it, or one above it, may still take before a process is worth an agent, bytes; 0: it is
 * near its limit. UINT64_MAX: there is no limit. */
uint64_t group_until_near(const struct group *group);

/*
 * Weights. Of all that have pages, each loses them in proportion to what it has, times its share:
 * 100 / weight, times that of the groups above. When the clock comes to an address space it gets
 * share / highest of a turn, `highest` being the highest share of all; whole turns are taken.
 */
double group_share(const struct group *group);
bool group_turn(double *credit, double share, double highest);

/* Its own limit or one above it is passed. */
static inline bool group_is_over(const struct group *group)
{
	for (; group; group = group->parent)
		if (group->resident_pages > group->target_pages)
			return true;
	return false;
}

static inline bool group_must_brake(const struct group *group)
{
	for (; group; group = group->parent)
		if (group->resident_pages > group->brake_pages)
			return true;
	return false;
}

/* Pages came in (or, negative, left). */
static inline void group_count_pages(struct group *group, int64_t pages)
{
	for (; group; group = group->parent)
		atomic_fetch_add_explicit(&group->resident_pages, pages, memory_order_relaxed);
}

static inline void group_count_out(struct group *group, uint64_t pages)
{
	for (; group; group = group->parent)
		atomic_fetch_add_explicit(&group->pages_out, pages, memory_order_relaxed);
}

static inline void group_count_in(struct group *group, uint64_t pages)
{
	for (; group; group = group->parent)
		atomic_fetch_add_explicit(&group->pages_in, pages, memory_order_relaxed);
}

static inline void group_count_fault(struct group *group)
{
	for (; group; group = group->parent)
		atomic_fetch_add_explicit(&group->faults, 1, memory_order_relaxed);
}

#endif
