/* SPDX-License-Identifier: MIT */
#include "tier/clock.h"

#include <stddef.h>
#include "base/clock.h"
#include "base/futex.h"

static int64_t now(void *argument)
{
	(void)argument;
	return (int64_t)monotonic_ns();
}

static void wait(void *argument, void *word, uint32_t seen, uint64_t ns)
{
	(void)argument;
	futex_wait(word, seen, ns);
}

const struct tier_clock tier_machine_clock = {now, wait, NULL};
