/* SPDX-License-Identifier: MIT */
/*
 * Which pages are cold: a CLOCK hand over the clusters. Hits are invisible to us, so the
 * referenced bit means "brought in since the hand passed"; a page that came back
 * soon has an age and survives as many laps more (in the manner of FIFO-reinsertion
 * and S3-FIFO: only faults are needed to keep it true). Everything that knows how
 * coldness is learned is behind this one call.
 */
#ifndef PAGER_EVICTION_PICK_H
#define PAGER_EVICTION_PICK_H

#include <stdint.h>
#include "attach/channel.h"

struct attached;

/* Addresses of pages, ascending or not. */
struct page_list {
	unsigned int count;
	uint64_t address[CHANNEL_BATCH];
};

/*
 * Fills the idle batch of `attached` with at most `want` pages, which are leaving
 * from then on. Memory lock held for reading; bounded work. When clusters shared with
 * a forked child were passed over, says where the first begins in *shared (else 0).
 */
void pick_pages(struct attached *attached, unsigned int want, uint64_t *shared);

/* The same with the resident pages of a list, however cold; memory lock held for reading since
 * pick_prepare, which wants it for writing. */
void pick_listed(struct attached *attached, const struct page_list *list);
void pick_prepare(struct attached *attached, const struct page_list *list);

#endif
