/* SPDX-License-Identifier: MIT */
/* Bringing swapped pages back in. */
#ifndef PAGER_ATTACHED_FILL_H
#define PAGER_ATTACHED_FILL_H

#include <stdbool.h>
#include <stdint.h>

/* Pages of zeros for a read: the kernel's zero page costs no memory, but longer runs of it would be
 * written to, unbraked, behind our back. */
#define ZERO_RUN_READ 8u

struct attached;
struct store_fetch;

/* Buffers of one thread that brings pages in: they exist before they are needed. */
struct fill_buffers {
	uint8_t *pages;		/* RUN_PAGES pages */
	const uint8_t *zeros;	/* RUN_PAGES pages of zeros */
	bool quiet;		/* what is installed wakes nobody: the caller does, afterwards */
	unsigned int installed; /* pages from the fault's address on */
};

enum fault_result {
	FAULT_DONE = 0,
	FAULT_LEAVING,	/* its batch has not been read yet: again when it is */
	FAULT_CHANGING, /* an event must be read first: again after reading */
	FAULT_BRAKED,	/* over the budget: again when pages have left */
	FAULT_FETCHED,	/* its bytes are on a device: fetch.h has it, the caller is done */
	FAULT_DEVICE,	/* fill_swapped: they are, and nobody was asked yet */
};

struct fill_buffers *fill_buffers_new(void);
void fill_buffers_free(struct fill_buffers *buffers);

/* The kernel did not install a page and said `error`: what becomes of its fault. Who waits for it
 * is woken, unless it will be tried again. */
enum fault_result fill_refused(struct attached *attached, uint64_t address, int error);

/*
 * Brings in up to `pages` swapped pages from `address`, as far as their slots are its own;
 * `filled` says how many. Memory lock held for reading. For faults and for
 * bringing everything back. Never waits for a device: FAULT_DEVICE instead.
 */
enum fault_result fill_swapped(struct attached *attached, struct fill_buffers *buffers,
			       uint64_t address, unsigned int pages, unsigned int *filled);

/* The page that was fetched, if its slot still has the same word. Memory lock held for reading, the
 * cluster bound. FAULT_DONE: whoever waits for it goes on. */
enum fault_result fill_fetched(struct attached *attached, uint64_t address,
			       const struct store_fetch *fetch, const void *page);
/* The same for one that could not be read: it raises SIGBUS. `for_good`: its bytes are given up;
 * else the slot keeps its word, and a COPY may still put the page there. */
enum fault_result fill_lost(struct attached *attached, uint64_t address,
			    const struct store_fetch *fetch, bool for_good);

#endif
