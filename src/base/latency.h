/* SPDX-License-Identifier: MIT */
/* A histogram of durations with buckets an eighth of a power of two wide: quantiles
 * within 12 %, no allocation, lock-free. */
#ifndef BASE_LATENCY_H
#define BASE_LATENCY_H

#include <stdatomic.h>
#include <stdint.h>

#define LATENCY_BUCKETS 320

struct latency {
	_Atomic uint64_t count, total_ns;
	_Atomic uint64_t buckets[LATENCY_BUCKETS];
};

void latency_add(struct latency *latency, uint64_t ns);
/* Upper edge of the bucket in which the quantile (0..1) lies, 1 being the longest; 0 when empty. */
uint64_t latency_quantile(const struct latency *latency, double quantile);

#endif
