/* SPDX-License-Identifier: MIT */
#include "pager/eviction/need.h"

#include "base/clock.h"
#include "pager/attached/say.h"
#include "pager/attached/state.h"

/* Far above the budget, by this part of it, with no room for so long: it cannot be met. */
#define FAR_SHARE    16
#define FULL_NS	     1000000000ull
#define NAP_LEAST_NS 20000000u
#define NAP_MOST_NS  1000000000ull
/* What it would take is told when that has not grown by this part for so long, or then. */
#define GROWN_SHARE 32
#define GROWN_NS    1000000000ull
#define TELL_NS	    5000000000ull

void need_met(struct need *need)
{
	need->full_ns = need->nap_ns = need->until_ns = 0;
}

static void tell(struct need *need, struct pager *pager, uint64_t now)
{
	uint64_t used = figures_resident_bytes(pager) + pager->budget.own_bytes;
	unsigned long long wanted = (used + used / FAR_SHARE) >> 20;

	if (used > need->used + need->used / GROWN_SHARE) {
		need->used = used;
		need->grown_ns = now;
	}
	if (need->told || (now - need->grown_ns < GROWN_NS && now - need->full_ns < TELL_NS))
		return;
	need->told = true;
	pager_say(
		pager,
		"the budget of %llu MiB cannot be met: the job needs about %llu MiB, and there is "
		"no room for more swapped pages; raise the budget (-m %lluM), or %s",
		(unsigned long long)(pager->budget.limit_bytes >> 20), wanted, wanted,
		pager->backends.in_use
			? "make room on its backends or add one (vswap backend add file:PATH)"
			: "add a file for what does not fit (vswap backend add file:PATH)");
}

/* Above the budget by more than what comes and goes between two batches. */
static bool is_far_above(const struct pager *pager)
{
	int64_t far = (int64_t)(pager->budget.limit_bytes / FAR_SHARE >> PAGE_SHIFT);

	return pager->budget.resident_pages >= pager->budget.room_pages + far;
}

bool need_is_hopeless(struct need *need, struct pager *pager, bool room)
{
	uint64_t now = monotonic_ns();

	if ((room && pager->backends.in_use) || !is_far_above(pager)) {
		need_met(need);
		return false;
	}
	if (!need->full_ns)
		need->full_ns = now;
	if (now - need->full_ns < FULL_NS)
		return false;
	tell(need, pager, now);
	need->nap_ns = need->nap_ns ? 2 * need->nap_ns : NAP_LEAST_NS;
	if (need->nap_ns > NAP_MOST_NS)
		need->nap_ns = NAP_MOST_NS;
	need->until_ns = now + need->nap_ns;
	need->limit = pager->budget.limit_bytes;
	return true;
}

bool need_rests(const struct need *need, const struct pager *pager)
{
	return need->until_ns && need->limit == pager->budget.limit_bytes &&
	       monotonic_ns() < need->until_ns;
}

bool need_stays(struct need *need, const struct pager *pager)
{
	/* A program that grows in bursts is above it now and then: that is no lack of room. */
	if (!is_far_above(pager))
		need_met(need);
	return need->nap_ns > 0;
}
