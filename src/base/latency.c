/* SPDX-License-Identifier: MIT */
#include "base/latency.h"

static unsigned int bucket_of(uint64_t ns)
{
	unsigned int power, bucket;

	if (ns < 8)
		return (unsigned int)ns;
	power = 63 - (unsigned int)__builtin_clzll(ns);
	bucket = (power - 2) * 8 + (unsigned int)(ns >> (power - 3) & 7);
	return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

static uint64_t upper_edge(unsigned int bucket)
{
	if (bucket < 8)
		return bucket;
	return (uint64_t)(8 + bucket % 8 + 1) << (bucket / 8 - 1);
}

void latency_add(struct latency *latency, uint64_t ns)
{
	atomic_fetch_add_explicit(&latency->count, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&latency->total_ns, ns, memory_order_relaxed);
	atomic_fetch_add_explicit(&latency->buckets[bucket_of(ns)], 1, memory_order_relaxed);
}

uint64_t latency_quantile(const struct latency *latency, double quantile)
{
	uint64_t wanted = (uint64_t)(quantile * (double)latency->count), seen = 0;
	uint64_t edge = 0;

	for (unsigned int i = 0; i < LATENCY_BUCKETS && seen <= wanted; i++) {
		uint64_t here = latency->buckets[i];

		seen += here;
		if (here)
			edge = upper_edge(i);
	}
	return edge;
}
