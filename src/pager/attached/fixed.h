/* SPDX-License-Identifier: MIT */
/*
 * Pages that cannot leave, though they are in a region: the kernel does not move what is read-only,
 * locked, or pinned, and some must stay (kept_pages). The word of one that was refused has
 * DESC_FIXED, and it is passed over. How many there are is counted as the hand goes round; from
 * time to time some are tried again, and what became of those tells of all.
 *
 * The evictor's; others read `pages`.
 */
#ifndef PAGER_ATTACHED_FIXED_H
#define PAGER_ATTACHED_FIXED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct attached;

struct fixed {
	_Atomic int64_t pages;	   /* how many there are, as far as is known */
	int64_t last, lap;	   /* met in the last whole lap, and in this one */
	int64_t fresh;		   /* refused in this lap for the first time */
	_Atomic uint64_t next_ns;  /* not tried again before */
	bool again;		   /* in this batch they are */
	bool only;		   /* ... and nothing else is */
	unsigned int tried, moved; /* in this batch, of those that had been refused */
};

/* A batch begins: are some tried again in it? */
void fixed_begin(struct attached *attached);
/* Is it time to try some again? Any thread. */
bool fixed_is_due(const struct fixed *fixed, uint64_t now);
/* The hand has passed one. */
static inline void fixed_passed(struct fixed *fixed)
{
	fixed->lap++;
}
/* The hand went round. */
void fixed_lap(struct fixed *fixed);
/* A page was refused; `before`: not for the first time. */
void fixed_refused(struct fixed *fixed, bool before);
/* A page left that had been refused before. */
void fixed_left(struct fixed *fixed);
/* The batch ends: says how many there are, to the job too. */
void fixed_end(struct attached *attached);

#endif
