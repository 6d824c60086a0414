/* SPDX-License-Identifier: MIT */
/*
 * Which address space the evictor works on. Only it takes one; what is taken is not freed before it
 * is put back.
 *
 * Over all programs there is one clock: the hand goes through all of one, then on to the next. So
 * a program loses pages in proportion to what it has, and those that it does not touch soonest;
 * weights give turns away (group.h). While a group is above its limit, the hand stays among the
 * processes below it.
 */
#ifndef PAGER_EVICTION_TURNS_H
#define PAGER_EVICTION_TURNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct attached;
struct pager;

struct turns {
	size_t at;  /* in the list of address spaces */
	bool stays; /* that one has its turn; else that is still to be seen */
};

/* The job as a whole has more than it may. */
bool turns_job_is_over(const struct pager *pager);

/* The one where the clock stands, or the next one that has its turn. NULL: none has. */
struct attached *turns_take_next(struct turns *turns, struct pager *pager);
/* The clock goes on to the next. */
void turns_go_past(struct turns *turns);

/* That one of the list, if pages may leave it; else NULL. */
struct attached *turns_take_at(struct pager *pager, size_t at);
/* The relative at or behind *at in the list, if pages may leave it; *at is then behind it. */
struct attached *turns_take_relative(struct pager *pager, uint64_t stack_start, size_t *at);
/* One whose fixed pages are to be tried again (fixed.h). */
struct attached *turns_take_fixed(struct pager *pager);
/* Whichever was taken, if any. */
void turns_put_back(struct pager *pager);

/* How many are in the list. */
size_t turns_count(struct pager *pager);

#endif
