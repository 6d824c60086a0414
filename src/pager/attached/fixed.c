/* SPDX-License-Identifier: MIT */
#include "pager/attached/fixed.h"

#include "base/clock.h"
#include "pager/attached/state.h"

/* What was refused is tried again so often, one batch of it. */
#define AGAIN_NS 100000000u

void fixed_begin(struct attached *attached)
{
	struct fixed *fixed = &attached->evict.fixed;

	fixed->tried = fixed->moved = 0;
	fixed->again = fixed->only || monotonic_ns() >= fixed->next_ns;
}

bool fixed_is_due(const struct fixed *fixed, uint64_t now)
{
	return fixed->pages && now >= fixed->next_ns;
}

void fixed_lap(struct fixed *fixed)
{
	fixed->last = fixed->lap;
	fixed->lap = fixed->fresh = 0;
}

void fixed_refused(struct fixed *fixed, bool before)
{
	fixed->lap++;
	if (before)
		fixed->tried++;
	else
		fixed->fresh++;
}

void fixed_left(struct fixed *fixed)
{
	fixed->tried++;
	fixed->moved++;
}

void fixed_end(struct attached *attached)
{
	struct fixed *fixed = &attached->evict.fixed;
	int64_t pages;

	/* Those that were tried stand for all; while most of them leave, others are tried at once.
	 */
	if (fixed->again)
		fixed->next_ns = monotonic_ns() + AGAIN_NS;
	if (fixed->tried) {
		fixed->last -= fixed->last * fixed->moved / fixed->tried;
		if (fixed->moved * 2 > fixed->tried)
			fixed->next_ns = 0;
	}
	pages = fixed->last + fixed->fresh;
	atomic_fetch_add(&attached->pager->budget.fixed_pages, pages - fixed->pages);
	fixed->pages = pages;
}
