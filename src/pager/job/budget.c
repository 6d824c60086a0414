/* SPDX-License-Identifier: MIT */
/*
 * The budget: what the job's processes and the owner have of anonymous memory, both as the
 * kernel counts it, may together be `limit`. Segments, tables and buffers are the
 * owner's anonymous memory, so nothing is forgotten and nothing estimated.
 *
 *   |<------------------------- limit ---------------------------->|
 *   |<-- owner (segments, tables) -->|<------- program ------>| head |
 *                                                  target ^      ^ brake
 */
#include "pager/job/budget.h"

#include "base/clock.h"
#include "pager/attached/state.h"
#include "pager/limits/marks.h"

/* What a program keeps at least, however much the segments take. */
#define PROGRAM_SHARE 8
#define PROGRAM_LEAST (4u << 20)
/* Segments stay below this part of the budget when there is a backend to write them to: a page that
 * does not compress is better off resident, or on the backend, than twice in between. */
#define SEGMENTS_PERCENT      40
#define SEGMENTS_POOR_PERCENT 10
#define POOR_BYTES	      2600
/* Fewer could not be filled, written and cleaned at the same time. */
#define SEGMENTS_LEAST (6u * SEGMENT_BYTES)

/* What a program may fill while it is being attached, which takes some milliseconds: where going
 * above the limit is deadly, so much earlier. */
#define STRICT_BYTES (64u << 20)

/* What one of several processes may fill until its turn comes, as a part of the budget. */
#define GROWING_SHARE 32

/* Without a backend, segments are cleaned when less than this part of them is live: what is dead
 * in them is memory that the program could have. */
#define FULL_PERCENT 96
#define FULL_SLACK   (4u * SEGMENT_BYTES)
#define LIVE_NS	     10000000u

static uint64_t minus(uint64_t from, uint64_t what)
{
	return from > what ? from - what : 0;
}

/*
 * What cannot leave may take so much that the rest would lose every page, for nothing: the rest
 * keeps half of the room.
 */
static int64_t mark(const struct pager *pager, uint64_t room_bytes)
{
	int64_t room = (int64_t)(room_bytes >> PAGE_SHIFT),
		least = pager->budget.fixed_pages + room / 2;

	return room < least ? least : room;
}

/* Walking the segments is not free: now and then is enough. */
static uint64_t live_bytes(struct pager *pager)
{
	uint64_t now = monotonic_ns();

	if (now - pager->budget.live_ns > LIVE_NS) {
		pager->budget.live_ns = now;
		pager->budget.live_bytes = store_live_bytes(pager->store);
	}
	return pager->budget.live_bytes;
}

static unsigned int segments_percent(struct pager *pager)
{
	return pager->budget.stored_size / 16 > POOR_BYTES ? SEGMENTS_POOR_PERCENT
							   : SEGMENTS_PERCENT;
}

/* How much RAM segments may take: with a backend a share of the budget, else all
 * but what the program must keep. */
static void set_segments(struct pager *pager, uint64_t limit, uint64_t own)
{
	uint64_t segments = store_ram_bytes(pager->store);
	uint64_t fixed = minus(own, segments);
	uint64_t program = limit / PROGRAM_SHARE;
	uint64_t most;

	if (program < PROGRAM_LEAST)
		program = PROGRAM_LEAST;
	most = minus(limit, fixed + program + marks_head_bytes(limit));
	pager->budget.segments_most = most;
	if (pager->backends.in_use) {
		uint64_t share = limit * segments_percent(pager) / 100;

		if (share < SEGMENTS_LEAST)
			share = SEGMENTS_LEAST;
		if (share > most)
			share = most;
		tier_set_share(pager->tier, share);
		most = share + limit / 16 < most ? share + limit / 16 : most;
	} else {
		uint64_t full = live_bytes(pager) / FULL_PERCENT * 100 + FULL_SLACK;

		tier_set_share(pager->tier, full < most ? full : most);
	}
	if (most < 2 * SEGMENT_BYTES)
		most = 2 * SEGMENT_BYTES;
	if (most > pager->budget.ram_highest)
		most = pager->budget.ram_highest;
	store_set_ram(pager->store, most);
}

/* The owner's anonymous memory, all of it. A sanitizer has several times that: then of segments. */
static int own_bytes(struct pager *pager, uint64_t *bytes)
{
#ifdef VSWAP_SANITIZED
	*bytes = store_ram_bytes(pager->store);
	return 0;
#else
	struct process_size size;
	int error = maps_size(pager->budget.own_statm, &size);

	if (!error)
		*bytes = size.anonymous;
	return error;
#endif
}

void budget_refresh(struct pager *pager)
{
	uint64_t limit = pager->budget.limit_bytes, own, head = marks_head_bytes(limit);

	if (own_bytes(pager, &own))
		return;
	pager->budget.own_bytes = own;
	set_segments(pager, limit, own);
	pager->budget.room_pages = (int64_t)(minus(limit, own + head) >> PAGE_SHIFT);
	pager->budget.target_pages = mark(pager, minus(limit, own + head));
	pager->budget.brake_pages = mark(pager, minus(limit, own));
	tier_note_traffic(pager->tier,
			  pager->figures.counters.pages_in + pager->figures.counters.pages_out);
	figures_peak(pager, own + figures_resident_bytes(pager));
}

/* The more processes grow at once, the earlier: they get their agents one after another. */
uint64_t budget_attach_bytes(struct pager *pager)
{
	uint64_t limit = pager->budget.limit_bytes;
	uint64_t mark =
		minus(limit, pager->budget.own_bytes + 2 * marks_head_bytes(limit) + limit / 16);
	uint64_t strict = mark / 8 * 7, early = 0;

	if (pager->job.tree.growing > 1)
		early = (pager->job.tree.growing - 1) * (limit / GROWING_SHARE);
	if (early > mark / 2)
		early = mark / 2;
	if (strict > STRICT_BYTES)
		strict = STRICT_BYTES;
	return mark - (pager->budget.strict && strict > early ? strict : early);
}
