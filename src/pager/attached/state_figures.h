/* SPDX-License-Identifier: MIT */
/* What is counted (src/pager/figures.h). Private to src/pager. */
#ifndef PAGER_ATTACHED_STATE_FIGURES_H
#define PAGER_ATTACHED_STATE_FIGURES_H

#include <stdatomic.h>
#include <stdint.h>
#include "base/latency.h"

struct counters {
	_Atomic uint64_t pages_out, pages_in, pages_zeroed;
	_Atomic uint64_t refused;   /* pages that the kernel did not move: read-only, locked */
	_Atomic uint64_t anomalies; /* pages that were there already when they came back */
	_Atomic uint64_t revoked;   /* agents that had to be stopped in the middle of a batch */
};

struct pager_figures {
	_Atomic uint64_t peak_bytes, wanted_peak, slots_peak;
	_Atomic uint64_t fixed_peak; /* bytes that could not leave when peak_bytes was reached */
	uint64_t opened_ns;
	uint64_t looked_ns; /* last look at peaks and rates; control thread */
	int exit_status;
	struct latency latency;
	struct counters counters;
};

#endif
