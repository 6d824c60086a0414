/* SPDX-License-Identifier: MIT */
/* What src/pager/faults keeps of an address space. Private to src/pager. */
#ifndef PAGER_ATTACHED_ATTACHED_SERVE_H
#define PAGER_ATTACHED_ATTACHED_SERVE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct attached_serve {
	uint32_t listeners;    /* servers that wait on it; pager's list lock */
	_Atomic bool short_of; /* a descriptor, to read its FORK (messages.c) */
	_Atomic bool held;     /* its faults wait: others work (load.h) */
	/* starve.h: too long; what waits for an event's end; and when a stop helped it last. */
	_Atomic bool starves;
	_Atomic unsigned int starving;
	_Atomic uint64_t relieved_ns;
	uint64_t relief_ns;	/* not stopped again before; pager's list lock */
	unsigned int stop_turn; /* of those that may be its process; the same */
	unsigned int blocked;	/* reads of its userfaultfd that slept; memory lock, for writing */
};

#endif
