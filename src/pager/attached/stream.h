/* SPDX-License-Identifier: MIT */
/*
 * Readahead along the addresses: a few streams, each the end of a run that was
 * brought in. A fault where a stream ends goes on with it, with twice the run; any other
 * fault starts one with a single page. First touches and swapped pages share the
 * table: both are "the next fault will be right behind this run".
 */
#ifndef PAGER_ATTACHED_STREAM_H
#define PAGER_ATTACHED_STREAM_H

#include <stdint.h>

#define STREAMS 8

struct streams {
	struct {
		uint64_t next; /* address right behind the last run */
		uint32_t run;  /* its pages; 0: no run yet */
		uint32_t used; /* last use, for replacement */
	} items[STREAMS];
	uint32_t clock;
};

/* How many pages to bring in for a fault at `address`, 1..limit; names its stream. */
uint32_t stream_plan(struct streams *streams, uint64_t address, uint32_t limit,
		     unsigned int *stream);
/* How many pages the last run of the stream had, if it ended at `address`; else 0. */
uint32_t stream_before(const struct streams *streams, unsigned int stream, uint64_t address);
/* What came of it: the run ended at `end` after `pages` pages. */
void stream_done(struct streams *streams, unsigned int stream, uint64_t end, uint32_t pages);

#endif
