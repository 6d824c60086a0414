/* SPDX-License-Identifier: MIT */
/*
 * Events about pages that have left with a mark (attach/marks.h), and that need not be believed:
 *
 *   REMOVE  comes before the pages are dropped, and madvise may then find that it must not
 *   UNMAP   comes although the kernel refuses (munmap since Linux 6.12), or is about what was there
 *           before something with marks of its own moved there, whose REMAP is still to be read
 *
 * Such pages keep their words: a fault asks for the mark, and gives zeros where it has gone. What
 * they stand for is given up when the marks tell, a moment later.
 *
 * Everything here under the memory lock, held for writing.
 */
#ifndef PAGER_ATTACHED_DOUBTS_H
#define PAGER_ATTACHED_DOUBTS_H

#include <stdbool.h>
#include <stdint.h>

/* What does not fit is looked at together with what lies between. */
#define DOUBTS 512u

struct attached;

struct doubts {
	struct doubt {
		uint64_t start, end;
		bool unmapped;	    /* all of it, by one UNMAP */
		unsigned int looks; /* at the marks so far ... */
		uint64_t next_ns;   /* ... and when the next one is due */
	} items[DOUBTS];
	unsigned int count;
};

/* REMOVE: what has no mark is emptied at once. */
void doubts_remove(struct attached *attached, uint64_t start, uint64_t end);
/* UNMAP. True if something that is registered stands there in a region, or it cannot be seen yet
 * whether it does (a child that is not known, pagemap.h): then all stays. */
bool doubts_unmap(struct attached *attached, uint64_t start, uint64_t end);
/* Some page of the range has left. */
bool doubts_any_left(const struct attached *attached, uint64_t start, uint64_t end);
/* Something has moved to [start, end): what an UNMAP said of what was there is so. */
void doubts_believe(struct attached *attached, uint64_t start, uint64_t end);
/* Some can be decided by now. */
bool doubts_are_due(const struct attached *attached);
/* No event was in flight a moment ago. `stopped`: no thread of the program runs, all is decided. */
void doubts_settle(struct attached *attached, bool stopped);

#endif
