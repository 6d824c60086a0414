/* SPDX-License-Identifier: MIT */
/*
 * Pages that left while an event was in flight: the kernel puts no marks then (page_marks.h), and a
 * guard that takes such a page away is not seen. They get theirs as soon as nothing is in flight.
 */
#ifndef PAGER_ATTACHED_LATE_MARKS_H
#define PAGER_ATTACHED_LATE_MARKS_H

#include <stdint.h>

/* What does not fit goes without for good. */
#define LATE_MARKS 256u

/* Evictor. */
struct late_marks {
	unsigned int count;
	uint64_t address[LATE_MARKS];
};

struct attached;

/* Pages of the batch that have left without a mark. */
void late_marks_note(struct attached *attached);
/* Puts those that can be put now. No lock held. */
void late_marks_put(struct attached *attached);

#endif
