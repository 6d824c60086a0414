/* SPDX-License-Identifier: MIT */
#include "pager/changes/moved.h"

#include <string.h>
#include "attach/maps.h"
#include "attach/twins.h"
#include "base/clock.h"
#include "base/page.h"
#include "base/proc.h"
#include "pager/attached/batch.h"
#include "pager/attached/doubts.h"
#include "pager/attached/holder.h"
#include "pager/attached/limbo.h"
#include "pager/attached/mapping.h"
#include "pager/attached/pagemap.h"
#include "pager/attached/region.h"
#include "pager/attached/state.h"
#include "pager/attached/userfault.h"
#include "space/descriptor.h"
#include "space/space.h"

/* What is in limbo stays for so long before it is asked whether nobody else can be at it, ns. */
#define OLDER_NS 1000000u

const struct remap *moved_into(const struct attached *attached, uint64_t start, uint64_t end)
{
	const struct moved *moved = &attached->changes.moved;
	const struct remap *found = NULL;

	assert_writing(&attached->lock);
	for (unsigned int i = 0; i < moved->count; i++) {
		const struct remap *item = &moved->items[i];

		if (item->to < end && item->to + item->length > start &&
		    (!found || item->to < found->to))
			found = item;
	}
	return found;
}

static void note(struct attached *attached, const struct remap *remap)
{
	struct moved *moved = &attached->changes.moved;

	if (moved->count == MOVES) {
		memmove(&moved->items[0], &moved->items[1],
			--moved->count * sizeof(moved->items[0]));
		moved->forgotten++;
	}
	moved->items[moved->count++] = *remap;
}

/*
 * Its events come in the order of what happened: it has but one thread that calls, and its event
 * has just been read. A thread in the middle of one is counted until it is through.
 */
static bool is_alone(struct attached *attached)
{
	pid_t twin;

	return attached->task.pid && holder_is(attached, attached->task.pid) &&
	       proc_threads(attached->task.pid) == (attached->task.has_agent ? 2 : 1) &&
	       !twins_of(attached->task.pid, &twin, 1);
}

/*
 * What slots say of the pages at [start, end), beside what the page table says there. A page of
 * which the word says "resident" must be present, one that has left with a mark must have it.
 */
struct comparing {
	const struct attached *attached;
	uint64_t slots, start, end;
	uint64_t expected, found, wrong; /* pages */
};

static desc_t word_of(const struct comparing *comparing, uint64_t address)
{
	const slot_t *slot = memory_look(comparing->attached->memory,
					 address - comparing->start + comparing->slots);

	return slot ? atomic_load(slot) : DESC_ABSENT;
}

static bool is_resident(desc_t word)
{
	return desc_state(word) == DESC_RESIDENT;
}

static bool has_mark(desc_t word)
{
	return desc_is_swapped(word) && word & DESC_MARKED;
}

static void compare_present(void *argument, uint64_t start, uint64_t end)
{
	struct comparing *comparing = argument;

	for (uint64_t at = start; at < end; at += PAGE_BYTES) {
		desc_t word = word_of(comparing, at);

		comparing->found += is_resident(word);
		comparing->wrong += !is_resident(word) && desc_state(word) != DESC_ABSENT;
	}
}

static void compare_marked(void *argument, uint64_t start, uint64_t end)
{
	struct comparing *comparing = argument;

	for (uint64_t at = start; at < end; at += PAGE_BYTES) {
		desc_t word = word_of(comparing, at);

		comparing->found += has_mark(word);
		comparing->wrong += !desc_is_swapped(word);
	}
}

/* No page comes or goes by us, and no mark, while an event is in flight. */
static struct comparing compare(const struct attached *attached, uint64_t slots, uint64_t start,
				uint64_t end)
{
	struct comparing comparing = {
		.attached = attached,
		.slots = slots,
		.start = start,
		.end = end,
	};
	int pagemap = pagemap_of(attached);

	if (pagemap < 0)
		return comparing;
	for (uint64_t at = start; at < end; at += PAGE_BYTES) {
		desc_t word = word_of(&comparing, at);

		comparing.expected += is_resident(word) || has_mark(word);
	}
	if (maps_present(pagemap, start, end, compare_present, &comparing) ||
	    maps_each_marked(pagemap, start, end, compare_marked, &comparing))
		comparing.expected = comparing.found = comparing.wrong = 0;
	return comparing;
}

/* All pages that should be there have gone without us, and all marks. */
static bool is_emptied(const struct comparing *comparing)
{
	return comparing->expected && !comparing->found;
}

static uint64_t count_wrong(const struct comparing *comparing)
{
	return comparing->wrong + (comparing->expected - comparing->found);
}

uint64_t moved_misfits(const struct attached *attached, uint64_t slots, uint64_t start,
		       uint64_t length)
{
	struct comparing comparing = compare(attached, slots, start, start + length);

	return count_wrong(&comparing);
}

/*
 * What has moved to the regions of [start, end) still stands there. That it is registered does not
 * show it: mremap may have left an empty mapping there (MREMAP_DONTUNMAP), and the thread that
 * unmapped it runs on as soon as its UNMAP is read, and may have let what stands before it grow to
 * where it was. But pages that come back come from faults, which nobody serves now.
 */
static bool still_stands(const struct attached *attached, uint64_t start, uint64_t end)
{
	struct comparing here = compare(attached, start, start, end);

	return !is_emptied(&here) && mapping_any_registered(attached, start, end);
}

/*
 * From where the slots go that belong to what has moved: from its old addresses, or from limbo, if
 * what was there left before something else came. Where both are, which fits the page table. Where
 * both fit: what an UNMAP has put into limbo is most likely gone.
 */
static uint64_t find_source(const struct attached *attached, const struct remap *remap)
{
	const struct limbo_item *item = limbo_find(attached, remap->from, remap->length);
	uint64_t end = remap->from + remap->length, kept;
	struct comparing old, now;
	bool is_there;

	if (!item)
		return remap->from;
	kept = limbo_place(item, remap->from);
	old = compare(attached, kept, remap->to, remap->to + remap->length);
	if (is_emptied(&old))
		return remap->from;
	if (!region_any(&attached->regions, remap->from, end))
		return kept;
	now = compare(attached, remap->from, remap->to, remap->to + remap->length);
	if (count_wrong(&old) != count_wrong(&now))
		return count_wrong(&old) < count_wrong(&now) ? kept : remap->from;
	is_there = item->why == LIMBO_COVERED && still_stands(attached, remap->from, end);
	return is_there ? kept : remap->from;
}

/*
 * A part of what has moved may have come to limbo alone, by an UNMAP of what had been there before
 * (unmap_moved). It follows to [start, end), if the page table there shows it. `offset`: how far it
 * has moved.
 */
static void follow_part(struct attached *attached, uint64_t start, uint64_t end, uint64_t offset)
{
	const struct limbo *limbo = &attached->changes.limbo;

	for (size_t i = limbo->count; i--;) {
		const struct limbo_item *item = &limbo->items[i];
		uint64_t from = item->start + offset > start ? item->start + offset : start;
		uint64_t to = item->end + offset < end ? item->end + offset : end;
		struct comparing old;

		if (from >= to || region_any(&attached->regions, from, to))
			continue;
		old = compare(attached, limbo_place(item, from - offset), from, to);
		if (old.found && !count_wrong(&old))
			mapping_move(attached, limbo_place(item, from - offset), from, to - from);
	}
}

void moved_guess(struct attached *child, const struct remap *remap, uint64_t slots)
{
	struct remap guess = *remap;

	assert_writing(&child->lock);
	guess.source = guess.from;
	guess.sent = guess.guessed = true;
	mapping_move(child, slots, guess.to, guess.length);
	note(child, &guess);
	child->changes.moved.guessed = true;
}

/* The first REMAP of a newborn: what a guess has put where this one goes was not there. */
static void take_back(struct attached *attached, const struct remap *remap)
{
	struct moved *moved = &attached->changes.moved;
	unsigned int kept = 0;

	for (unsigned int i = 0; i < moved->count; i++) {
		struct remap *item = &moved->items[i];
		bool wrong = item->guessed && item->to < remap->to + remap->length &&
			     item->to + item->length > remap->to;

		item->guessed = false;
		if (wrong)
			mapping_move(attached, item->to, item->from, item->length);
		else
			moved->items[kept++] = *item;
	}
	moved->count = kept;
	moved->guessed = false;
}

void moved_apply(struct attached *attached, const struct remap *remap)
{
	struct remap done = *remap;
	uint64_t end = remap->to + remap->length;
	uint64_t from, to;

	assert_writing(&attached->lock);
	if (attached->changes.moved.guessed)
		take_back(attached, remap);
	doubts_believe(attached, remap->to, end);
	/* What freed the destination has not been read yet, though it happened before. */
	if (region_any(&attached->regions, remap->to, end) && !is_alone(attached))
		limbo_put(attached, remap->to, end, LIMBO_COVERED);
	done.source = find_source(attached, remap);
	mapping_move(attached, done.source, remap->to, remap->length);
	for (uint64_t at = remap->to; region_gap(&attached->regions, at, end, &from, &to); at = to)
		follow_part(attached, from, to, remap->to - remap->from);
	note(attached, &done);
}

/*
 * An UNMAP of [start, end) may come from what was there before something moved there: that waits in
 * limbo, or has moved away, and mremap sends one for what it left. Else it is about what is there.
 */
static bool is_owed(const struct attached *attached, uint64_t start, uint64_t end)
{
	const struct moved *moved = &attached->changes.moved;

	for (unsigned int i = 0; i < moved->count; i++) {
		const struct remap *item = &moved->items[i];

		if (!item->sent && item->from < end && item->from + item->length > start)
			return true;
	}
	return limbo_overlaps(attached, start, end);
}

static void note_sent(struct attached *attached, uint64_t start, uint64_t end)
{
	struct moved *moved = &attached->changes.moved;

	for (unsigned int i = 0; i < moved->count; i++) {
		struct remap *item = &moved->items[i];

		if (!item->sent && item->from == start && item->length == end - start) {
			item->sent = true;
			break;
		}
	}
}

/* More was unmapped than what has moved there: some of it may have been unknown to us. */
static bool is_wider(const struct remap *moved, uint64_t start, uint64_t end)
{
	return start < moved->to || end > moved->to + moved->length;
}

/*
 * Where what stands at `start` ends, at the latest: its region, or what has moved to or beyond it.
 * Each piece is looked at alone: a mapping may have moved to where another one has moved on from,
 * and one UNMAP that is refused names them all.
 */
static uint64_t piece_end(const struct attached *attached, uint64_t start, uint64_t end)
{
	const struct moved *moved = &attached->changes.moved;
	const struct region *region = region_find(&attached->regions, start);
	uint64_t from, to;

	if (region)
		end = region->end < end ? region->end : end;
	else if (region_gap(&attached->regions, start, end, &from, &to))
		end = to;
	for (unsigned int i = 0; i < moved->count; i++) {
		uint64_t first = moved->items[i].to, behind = first + moved->items[i].length;

		if (first > start && first < end)
			end = first;
		if (behind > start && behind < end)
			end = behind;
	}
	return end;
}

/* A part of what has moved there is named by an UNMAP. If it stands, that is about what was there
 * before. Else it is gone, or has moved on, and its REMAP comes. */
static void unmap_moved(struct attached *attached, uint64_t start, uint64_t end)
{
	if (!region_any(&attached->regions, start, end))
		return;
	batch_quiesce(attached);
	if (still_stands(attached, start, end))
		attached->changes.moved.spared = true;
	else
		limbo_put(attached, start, end, LIMBO_UNMAPPED);
}

static bool is_leaving_from(const struct attached *attached, uint64_t start, uint64_t end)
{
	const struct batch *batch = &attached->batch;

	if (!attached->task.has_agent || batch->state == BATCH_IDLE)
		return false;
	for (unsigned int i = 0; i < batch->count; i++)
		if (batch->address[i] >= start && batch->address[i] < end)
			return true;
	return false;
}

/*
 * Nothing of it stands there. But its thread runs on since the UNMAP was read, and may have moved
 * it: the kernel had refused, and a REMAP is in flight. Else it was unmapped, as nearly always, and
 * is dropped when nothing is in flight any more.
 */
static void unmap_gone(struct attached *attached, uint64_t start, uint64_t end)
{
	uint64_t stop;

	for (uint64_t at = start; at < end && userfault_is_changing(attached->task.userfault);
	     at = stop) {
		stop = piece_end(attached, at, end);
		if (region_find(&attached->regions, at) && doubts_any_left(attached, at, stop))
			limbo_put(attached, at, stop, LIMBO_GONE);
	}
	mapping_forget(attached, start, end);
}

/* What was there has gone, or the kernel refused. */
static void unmap_here(struct attached *attached, uint64_t start, uint64_t end)
{
	if (start >= end)
		return;
	if (is_leaving_from(attached, start, end))
		batch_quiesce(attached);
	if (!doubts_unmap(attached, start, end))
		unmap_gone(attached, start, end);
}

void moved_unmap(struct attached *attached, uint64_t start, uint64_t end)
{
	const struct remap *moved = moved_into(attached, start, end);

	assert_writing(&attached->lock);
	if (moved && ((!is_owed(attached, start, end) && !is_wider(moved, start, end)) ||
		      is_alone(attached)))
		moved = NULL;
	note_sent(attached, start, end);
	for (; moved && start < end; moved = moved_into(attached, start, end)) {
		uint64_t from = moved->to > start ? moved->to : start;
		uint64_t stop = piece_end(attached, from, end);

		unmap_here(attached, start, from);
		unmap_moved(attached, from, stop);
		start = stop;
	}
	unmap_here(attached, start, end);
}

void moved_drop_older(struct attached *attached, size_t older)
{
	const struct limbo *limbo = &attached->changes.limbo;

	if (older && monotonic_ns() - limbo->since_ns > OLDER_NS && is_alone(attached))
		limbo_drop(attached, older);
}

bool moved_settle(struct attached *attached)
{
	struct moved *moved = &attached->changes.moved;

	assert_writing(&attached->lock);
	if (!moved->count && !attached->changes.limbo.count && !doubts_are_due(attached))
		return true;
	if (userfault_is_changing(attached->task.userfault))
		return false;
	/* Nothing may be left where mappings have moved to that is not registered: what comes to
	 * lie there would be taken for theirs. */
	if (moved->spared && !mapping_forget_unregistered(attached))
		return false;
	doubts_settle(attached, false);
	limbo_drop(attached, attached->changes.limbo.count);
	moved->forgotten += moved->count;
	moved->count = 0;
	moved->guessed = moved->spared = false;
	return true;
}

bool moved_is_calm(struct attached *attached)
{
	return !userfault_is_changing(attached->task.userfault) && moved_settle(attached);
}
