/* SPDX-License-Identifier: MIT */
/* Bringing all swapped pages of an address space back. Control thread only. */
#ifndef PAGER_PROGRAM_BRING_BACK_H
#define PAGER_PROGRAM_BRING_BACK_H

#include <stdbool.h>
#include <stdint.h>
#include "base/message.h"

struct attached;

typedef void (*bring_back_progress_fn)(void *argument, uint64_t left_pages);

struct bring_back {
	bring_back_progress_fn progress; /* or NULL */
	void *argument;
	bool lose;	  /* a page that cannot be read is given up: touching it raises SIGBUS */
	bool hasty;	  /* tries each page once only */
	uint64_t told_ns; /* when progress was told last */
	uint64_t changing_ns; /* starve_mark's */
	/* What came of it: */
	uint64_t unreadable; /* pages that are not back */
	int error;	     /* of the device, -errno */
	const char *device;  /* its name */
	bool stuck;	     /* it does not answer */
};
/* Brings back every swapped page. Nothing leaves it any more (attached->evict.paused). -ESRCH; -EIO: some
 * cannot be read, in FETCH_PATIENCE_NS since the last that could; -ETIMEDOUT: the device does not
 * answer. Then all is as it was, but for what is back already. */
int bring_back_pages(struct attached *attached, struct bring_back *work);
/* -EIO or -ETIMEDOUT in words. */
void bring_back_explain(const struct attached *attached, const struct bring_back *work, int error,
			char message[MESSAGE_BYTES]);

#endif
