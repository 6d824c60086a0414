/* SPDX-License-Identifier: MIT */
/*
 * A histogram of times in ns: 16 buckets to each power of two, so that every
 * percentile is right within 6 %; fixed size, no allocation.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define HISTOGRAM_FINE	  16
#define HISTOGRAM_BUCKETS (HISTOGRAM_FINE * 37)

struct histogram {
	uint64_t count, most;
	uint32_t bucket[HISTOGRAM_BUCKETS];
};

static inline uint64_t bench_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static inline void histogram_clear(struct histogram *histogram)
{
	memset(histogram, 0, sizeof(*histogram));
}

static inline unsigned int histogram_bucket(uint64_t ns)
{
	unsigned int power, bucket;

	if (ns < HISTOGRAM_FINE)
		return (unsigned int)ns;
	power = 63 - __builtin_clzll(ns);
	bucket = (power - 3) * HISTOGRAM_FINE + (unsigned int)(ns >> (power - 4) & 15);
	return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* The middle of a bucket. */
static inline uint64_t histogram_value(unsigned int bucket)
{
	unsigned int power = bucket / HISTOGRAM_FINE + 3;

	if (bucket < HISTOGRAM_FINE)
		return bucket;
	return (1ull << power) + ((2 * (bucket % HISTOGRAM_FINE) + 1) << (power - 4)) / 2;
}

static inline void histogram_add(struct histogram *histogram, uint64_t ns)
{
	histogram->bucket[histogram_bucket(ns)]++;
	histogram->count++;
	if (ns > histogram->most)
		histogram->most = ns;
}

static inline void histogram_merge(struct histogram *to, const struct histogram *from)
{
	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++)
		to->bucket[i] += from->bucket[i];
	to->count += from->count;
	if (from->most > to->most)
		to->most = from->most;
}

static inline unsigned long long histogram_percentile(const struct histogram *histogram,
						      double percent)
{
	uint64_t seen = 0, want = (uint64_t)(histogram->count * percent / 100);

	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += histogram->bucket[i];
		if (seen > want)
			return histogram_value(i);
	}
	return histogram->most;
}

/* [[ns, count], ...] of the buckets that hold something. */
static inline void histogram_print(const struct histogram *histogram, FILE *to)
{
	const char *comma = "";

	fputc('[', to);
	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (!histogram->bucket[i])
			continue;
		fprintf(to, "%s[%llu,%u]", comma, (unsigned long long)histogram_value(i),
			histogram->bucket[i]);
		comma = ",";
	}
	fputc(']', to);
}

#endif
