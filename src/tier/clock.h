/* SPDX-License-Identifier: MIT */
/* Time, which tests may stop. */
#ifndef TIER_CLOCK_H
#define TIER_CLOCK_H

#include <stdint.h>

/* Time as the tier thread sees it, in ns: retries, rests and naps are measured with it, not how
 * long devices and waiters take. */
struct tier_clock {
	int64_t (*now)(void *argument); /* any thread */
	/* Sleeps while the uint32_t at `word` is `seen`, at most `ns`. */
	void (*wait)(void *argument, void *word, uint32_t seen, uint64_t ns);
	void *argument;
};

/* CLOCK_MONOTONIC. */
extern const struct tier_clock tier_machine_clock;

static inline int64_t tier_now(const struct tier_clock *clock)
{
	return clock->now(clock->argument);
}

#endif
