/* SPDX-License-Identifier: MIT */
/*
 * A backend in memory that fails on demand: errors, delays, no room, wrong bytes.
 * It also holds its callers to the contract of backend.h and aborts on a breach:
 * a write takes its bytes at completion, an extent that was given back is
 * poisoned, and only extents that were written may be read.
 */
#ifndef TESTS_FAULT_BACKEND_H
#define TESTS_FAULT_BACKEND_H

#include <stdatomic.h>
#include <stdbool.h>

#include "backend/backend.h"

#define FAULT_ALWAYS 0x7fffffff

struct fault_controls {
	atomic_int fail_writes;	  /* how many of the next writes fail */
	atomic_int write_error;	  /* with this errno; EIO at first */
	atomic_int fail_one_in;	  /* besides, one write in so many fails; 0: none */
	atomic_int fail_reads;	  /* how many of the next reads fail, EIO */
	atomic_int corrupt_reads; /* how many of the next reads give a wrong bit */
	atomic_uint delay_us;	  /* from a write to its completion, at least */
	atomic_bool stalled;	  /* no write completes */
	_Atomic uint64_t room;	  /* extents that may be in use */
	atomic_uint writes;	  /* completed well */
	atomic_uint most_in_flight;
};

struct backend *fault_backend_open(const char *name, int priority, unsigned int extents);
struct fault_controls *fault_backend_controls(struct backend *backend);

#endif
