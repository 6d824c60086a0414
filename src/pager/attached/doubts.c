/* SPDX-License-Identifier: MIT */
#include "pager/attached/doubts.h"

#include "attach/maps.h"
#include "base/clock.h"
#include "pager/attached/mapping.h"
#include "pager/attached/pagemap.h"
#include "pager/attached/state.h"
#include "pager/attached/userfault.h"

/* The thread of a REMOVE drops the pages after its event was read: their marks are looked at after
 * this, then twice again, 8 times as long after each look. What stands by then was not dropped (or
 * is MADV_FREE's, which leaves marks, and may keep the bytes). */
#define LOOK_NS	     10000000u
#define LOOKS	     3u
#define LONGER_SHIFT 3u

/* The first page of [at, end) that has left, with a mark (as its word says) or also without; `end`:
 * none. */
static uint64_t next_left(const struct attached *attached, uint64_t at, uint64_t end, bool marked)
{
	uint64_t cluster = at;

	while (at < end && memory_next(attached->memory, at, &cluster) != SPACE_NO_CLUSTER) {
		uint64_t stop = cluster + ((uint64_t)CLUSTER_SLOTS << PAGE_SHIFT);

		for (at = at > cluster ? at : cluster; at < stop && at < end; at += PAGE_BYTES) {
			const slot_t *slot = memory_look(attached->memory, at);
			desc_t word = slot ? atomic_load(slot) : DESC_ABSENT;

			if (desc_is_swapped(word) && (!marked || word & DESC_MARKED))
				return at;
		}
	}
	return end;
}

bool doubts_any_left(const struct attached *attached, uint64_t start, uint64_t end)
{
	return next_left(attached, start, end, false) < end;
}

static uint64_t next_marked(const struct attached *attached, uint64_t at, uint64_t end)
{
	return next_left(attached, at, end, true);
}

static void join(struct doubt *old, const struct doubt *doubt)
{
	old->start = doubt->start < old->start ? doubt->start : old->start;
	old->end = doubt->end > old->end ? doubt->end : old->end;
	old->unmapped = false;
	old->looks = 0;
}

static void add(struct doubts *doubts, const struct doubt *doubt)
{
	for (unsigned int i = doubts->count; i--;) {
		struct doubt *old = &doubts->items[i];

		if (old->unmapped == doubt->unmapped && old->start == doubt->start &&
		    old->end == doubt->end)
			return;
		if (!doubt->unmapped && !old->unmapped && doubt->start <= old->end &&
		    doubt->end >= old->start) {
			join(old, doubt);
			return;
		}
	}
	if (doubts->count < DOUBTS)
		doubts->items[doubts->count++] = *doubt;
	else
		join(&doubts->items[DOUBTS - 1], doubt);
}

void doubts_remove(struct attached *attached, uint64_t start, uint64_t end)
{
	const struct doubt doubt = {start, end, .next_ns = monotonic_ns() + LOOK_NS};
	uint64_t from = start, at = next_marked(attached, start, end);

	assert_writing(&attached->lock);
	if (at == end || pagemap_of(attached) < 0) {
		mapping_empty(attached, start, end);
		return;
	}
	add(&attached->changes.doubts, &doubt);
	for (; at < end; at = next_marked(attached, from, end)) {
		mapping_empty(attached, from, at);
		from = at + PAGE_BYTES;
	}
	mapping_empty(attached, from, end);
}

struct standing {
	const struct attached *attached;
	bool any;
};

static void note_standing(void *argument, uint64_t start, uint64_t end)
{
	struct standing *standing = argument;

	standing->any |= region_any(&standing->attached->regions, start, end);
}

bool doubts_unmap(struct attached *attached, uint64_t start, uint64_t end)
{
	const struct doubt doubt = {start, end, .unmapped = true};
	struct standing standing = {.attached = attached};
	int pagemap = pagemap_of(attached);

	assert_writing(&attached->lock);
	if (!region_any(&attached->regions, start, end))
		return false;
	if (!pagemap_is_proved(attached)) {
		add(&attached->changes.doubts, &doubt);
		return true;
	}
	/* What was unmapped is not registered: nothing new is while an event is in flight. */
	if (pagemap < 0 || maps_marking(pagemap, start, end, note_standing, &standing))
		return false;
	if (standing.any)
		add(&attached->changes.doubts, &doubt);
	return standing.any;
}

/* What has moved to [start, end) may have grown as it did, of which no event tells but the UNMAP of
 * what it covers: that begins where it does. */
static uint64_t believed_end(const struct doubts *doubts, uint64_t start, uint64_t end)
{
	for (unsigned int i = doubts->count; i--;) {
		const struct doubt *doubt = &doubts->items[i];

		if (doubt->unmapped && doubt->start == start && doubt->end >= end)
			return doubt->end;
	}
	return end;
}

/* Takes [start, end) out of one. Of what lies before and behind it stays to be seen. */
static void cut(struct doubts *doubts, unsigned int i, uint64_t start, uint64_t end)
{
	struct doubt before = doubts->items[i], behind = before;

	doubts->items[i] = doubts->items[--doubts->count];
	before.end = start;
	behind.start = end;
	if (before.start < before.end)
		add(doubts, &before);
	if (behind.start < behind.end)
		add(doubts, &behind);
}

void doubts_believe(struct attached *attached, uint64_t start, uint64_t end)
{
	struct doubts *doubts = &attached->changes.doubts;

	assert_writing(&attached->lock);
	end = believed_end(doubts, start, end);
	for (unsigned int i = doubts->count; i--;) {
		const struct doubt *doubt = &doubts->items[i];
		uint64_t from = doubt->start > start ? doubt->start : start;
		uint64_t to = doubt->end < end ? doubt->end : end;

		if (!doubt->unmapped || from >= to)
			continue;
		mapping_forget(attached, from, to);
		cut(doubts, i, from, to);
	}
}

bool doubts_are_due(const struct attached *attached)
{
	const struct doubts *doubts = &attached->changes.doubts;
	uint64_t now = doubts->count ? monotonic_ns() : 0;

	for (unsigned int i = 0; i < doubts->count; i++)
		if (now >= doubts->items[i].next_ns)
			return true;
	return false;
}

/*
 * Of a range: pages of which the words say that they have marks, then those that have them. In this
 * order: the evictor makes words without the lock, once it knows of the mark.
 */
struct evidence {
	struct region_list said, marked, registered;
	int error;
};

static void note_run(struct evidence *evidence, struct region_list *list, uint64_t start,
		     uint64_t end)
{
	if (!evidence->error)
		evidence->error = region_add(list, start, end);
}

static void note_marked(void *argument, uint64_t start, uint64_t end)
{
	struct evidence *evidence = argument;

	note_run(evidence, &evidence->marked, start, end);
}

static void note_registered(void *argument, uint64_t start, uint64_t end)
{
	struct evidence *evidence = argument;

	note_run(evidence, &evidence->registered, start, end);
}

static void note_said(const struct attached *attached, const struct doubt *doubt,
		      struct evidence *evidence)
{
	uint64_t at = doubt->start, end = doubt->end, stop;

	while ((at = next_marked(attached, at, end)) < end) {
		stop = at + PAGE_BYTES;
		while (stop < end && next_marked(attached, stop, stop + PAGE_BYTES) == stop)
			stop += PAGE_BYTES;
		note_run(evidence, &evidence->said, at, stop);
		at = stop;
	}
}

/* False if it cannot be had now, or something may have changed meanwhile. */
static bool look(struct attached *attached, const struct doubt *doubt, struct evidence *evidence)
{
	int pagemap = pagemap_of(attached);

	note_said(attached, doubt, evidence);
	return pagemap >= 0 &&
	       !maps_each_marked(pagemap, doubt->start, doubt->end, note_marked, evidence) &&
	       !maps_marking(pagemap, doubt->start, doubt->end, note_registered, evidence) &&
	       !evidence->error && !userfault_is_changing(attached->task.userfault);
}

static void forget_unregistered(struct attached *attached, const struct doubt *doubt,
				const struct region_list *registered)
{
	uint64_t from, to;

	for (uint64_t at = doubt->start; region_gap(registered, at, doubt->end, &from, &to);
	     at = to)
		mapping_forget(attached, from, to);
}

/* Words whose marks are gone. True if others have theirs still. */
static bool drop_gone(struct attached *attached, const struct evidence *evidence)
{
	bool stand = false;

	for (size_t i = 0; i < evidence->said.count; i++) {
		const struct region *said = &evidence->said.items[i];
		uint64_t from, to, gone = 0;

		for (uint64_t at = said->start;
		     region_gap(&evidence->marked, at, said->end, &from, &to); at = to) {
			mapping_empty(attached, from, to);
			gone += to - from;
		}
		stand |= gone < said->end - said->start;
	}
	return stand;
}

/* True if it is decided. */
static bool decide(struct attached *attached, struct doubt *doubt, bool stopped)
{
	struct evidence evidence = {0};
	bool done = false;

	if (look(attached, doubt, &evidence)) {
		forget_unregistered(attached, doubt, &evidence.registered);
		done = !drop_gone(attached, &evidence) || doubt->unmapped || stopped ||
		       ++doubt->looks == LOOKS;
		doubt->next_ns =
			monotonic_ns() + ((uint64_t)LOOK_NS << (LONGER_SHIFT * doubt->looks));
	}
	region_free(&evidence.said);
	region_free(&evidence.marked);
	region_free(&evidence.registered);
	return done;
}

void doubts_settle(struct attached *attached, bool stopped)
{
	struct doubts *doubts = &attached->changes.doubts;
	unsigned int kept = 0;
	uint64_t now = monotonic_ns();

	assert_writing(&attached->lock);
	for (unsigned int i = 0; i < doubts->count; i++) {
		struct doubt *doubt = &doubts->items[i];

		if ((!stopped && now < doubt->next_ns) || !decide(attached, doubt, stopped))
			doubts->items[kept++] = *doubt;
	}
	doubts->count = kept;
}
