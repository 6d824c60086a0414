/* SPDX-License-Identifier: MIT */
/* Serving one fault: what a missing page must hold, and how much more to bring in with it. */
#ifndef PAGER_FAULTS_FAULT_H
#define PAGER_FAULTS_FAULT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "pager/attached/fill.h"

struct attached;
struct streams;

struct fault {
	struct attached *attached;
	struct streams *streams; /* the server's, of this address space */
	uint64_t address;	 /* of the page */
	uint64_t since;		 /* ns, when it was read */
	pid_t thread;
	bool write;
	bool starving; /* put aside, and counted in attached->serve.starving */
	bool overdue;  /* has waited so long that the brake no longer holds it */
};

/* Serves it. Memory lock held for reading, the cluster bound. */
enum fault_result fault_serve(struct fault *fault, struct fill_buffers *buffers);

/*
 * Serves a fault at an address that is in none of our regions: a mapping has grown in place or
 * while it moved, which no event tells. The page is new; what a descriptor says there is
 * about something else. Only when the kernel took the page is it known that the address is
 * registered (the fault may be an old one), and the region grows. Memory lock held for writing.
 */
enum fault_result fault_serve_growth(struct fault *fault, struct fill_buffers *buffers);

#endif
