/* SPDX-License-Identifier: MIT */
/* Serving one fault: what a missing page must hold, and how much more to bring in with it. */
#ifndef PAGER_FAULT_H
#define PAGER_FAULT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct attached;
struct store_fetch;
struct streams;

/* Buffers of one thread that brings pages in: they exist before they are needed. */
struct fault_buffers {
	uint8_t *pages;		/* RUN_PAGES pages */
	const uint8_t *zeros;	/* RUN_PAGES pages of zeros */
	bool quiet;		/* what is installed wakes nobody: the caller does, afterwards */
	unsigned int installed; /* pages from the fault's address on */
};

struct fault {
	struct attached *attached;
	struct streams *streams; /* the server's, of this address space */
	uint64_t address;	 /* of the page */
	uint64_t since;		 /* ns, when it was read */
	pid_t thread;
	bool write;
	bool starving; /* put aside, and counted in attached->starving */
	bool overdue;  /* has waited so long that the brake no longer holds it */
};

enum fault_result {
	FAULT_DONE = 0,
	FAULT_LEAVING,	/* its batch has not been read yet: again when it is */
	FAULT_CHANGING, /* an event must be read first: again after reading */
	FAULT_BRAKED,	/* over the budget: again when pages have left */
	FAULT_FETCHED,	/* its bytes are on a device: fetch.h has it, the caller is done */
	FAULT_DEVICE,	/* fill_swapped: they are, and nobody was asked yet */
};

struct fault_buffers *fault_buffers_new(void);
void fault_buffers_free(struct fault_buffers *buffers);

/* Serves it. Memory lock held for reading, the cluster bound. */
enum fault_result fault_serve(struct fault *fault, struct fault_buffers *buffers);

/*
 * Serves a fault at an address that is in none of our regions: a mapping has grown in place or
 * while it moved, which no event tells. The page is new; what a descriptor says there is
 * about something else. Only when the kernel took the page is it known that the address is
 * registered (the fault may be an old one), and the region grows. Memory lock held for writing.
 */
enum fault_result fault_serve_growth(struct fault *fault, struct fault_buffers *buffers);

/* The kernel did not install a page and said `error`: what becomes of its fault. Who waits for it
 * is woken, unless it will be tried again. */
enum fault_result fault_refused(struct attached *attached, uint64_t address, int error);

/*
 * Brings in up to `pages` swapped pages from `address`, all in one cluster;
 * `filled` says how many. Memory lock held for reading. For faults and for
 * bringing everything back. Never waits for a device: FAULT_DEVICE instead.
 */
enum fault_result fill_swapped(struct attached *attached, struct fault_buffers *buffers,
			       uint64_t address, unsigned int pages, unsigned int *filled);

/* The page that was fetched, if its slot still has the same word. Memory lock held for reading, the
 * cluster bound. FAULT_DONE: whoever waits for it goes on. */
enum fault_result fill_fetched(struct attached *attached, uint64_t address,
			       const struct store_fetch *fetch, const void *page);
/* The same for one that could not be read: it raises SIGBUS. `for_good`: its bytes are given up;
 * else the slot keeps its word, and a COPY may still put the page there. */
enum fault_result fill_lost(struct attached *attached, uint64_t address,
			    const struct store_fetch *fetch, bool for_good);
/* Gives up the bytes of a swapped page, whatever they are. The same. */
enum fault_result fill_give_up(struct attached *attached, uint64_t address);

#endif
