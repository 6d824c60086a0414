/* SPDX-License-Identifier: MIT */
#include "pager/changes/moved.h"

#include "attach/twins.h"
#include "base/ask.h"
#include "base/clock.h"
#include "base/page.h"
#include "base/proc.h"
#include "pager/attached/batch.h"
#include "pager/attached/doubts.h"
#include "pager/attached/holder.h"
#include "pager/attached/limbo.h"
#include "pager/attached/mapping.h"
#include "pager/attached/moves.h"
#include "pager/attached/region.h"
#include "pager/attached/state.h"
#include "pager/attached/userfault.h"
#include "pager/changes/fit.h"
#include "pager/changes/source.h"

/* What is in limbo stays for so long before it is asked whether nobody else can be at it, ns. */
#define OLDER_NS 1000000u

/*
 * Its events come in the order of what happened: it has but one thread that calls, and its event
 * has just been read. A thread in the middle of one is counted until it is through.
 */
static bool is_alone(struct attached *attached)
{
	const unsigned int unanswered = ask_unanswered();
	pid_t twin;

	return attached->task.pid && holder_is(attached, attached->task.pid) &&
	       proc_threads(attached->task.pid) == (attached->task.has_agent ? 2 : 1) &&
	       !twins_of(attached->task.pid, &twin, 1) && ask_unanswered() == unanswered;
}

/*
 * What has moved to the regions of [start, end) still stands there. That it is registered does not
 * show it: mremap may have left an empty mapping there (MREMAP_DONTUNMAP), and the thread that
 * unmapped it runs on as soon as its UNMAP is read, and may have let what stands before it grow to
 * where it was. But pages that come back come from faults, which nobody serves now.
 */
static bool still_stands(const struct attached *attached, uint64_t start, uint64_t end)
{
	struct fit here = fit_of(attached, start, start, end);

	return !fit_is_emptied(&here) && mapping_any_registered(attached, start, end);
}

void moved_guess(struct attached *child, const struct remap *remap, uint64_t slots)
{
	struct remap guess = *remap;

	assert_writing(&child->lock);
	guess.source = guess.from;
	guess.sent = guess.guessed = true;
	mapping_move(child, slots, guess.to, guess.length);
	moves_note(&child->changes.moved, &guess);
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

/* The length may be what the program gave as the old one, of which only the beginning has moved:
 * that did not overlap, since the kernel refuses it. */
static uint64_t moved_length(const struct remap *remap)
{
	uint64_t apart =
		remap->from > remap->to ? remap->from - remap->to : remap->to - remap->from;

	return remap->length < apart ? remap->length : apart;
}

/* Piece by piece, each from where it was. */
static struct remap move_piece(struct attached *attached, const struct remap *remap, uint64_t at)
{
	uint64_t end = source_piece_end(attached, remap, at);
	struct remap piece = {
		.from = at,
		.to = remap->to + (at - remap->from),
		.length = end - at,
		.source = source_find(attached, remap, at, end),
		.mover = remap->mover,
	};

	if (piece.source == SOURCE_NONE) {
		mapping_forget(attached, piece.to, piece.to + piece.length);
		piece.source = at;
	} else {
		mapping_move(attached, piece.source, piece.to, piece.length);
	}
	return piece;
}

/* Those that come from one place are noted as one. */
static void move_pieces(struct attached *attached, const struct remap *remap)
{
	struct moved *moved = &attached->changes.moved;
	uint64_t end = remap->from + remap->length;
	struct remap part = move_piece(attached, remap, remap->from), piece;

	while (part.from + part.length < end) {
		piece = move_piece(attached, remap, part.from + part.length);
		if (piece.source == part.source + part.length) {
			part.length += piece.length;
		} else {
			moves_note(moved, &part);
			part = piece;
		}
	}
	moves_note(moved, &part);
}

void moved_apply(struct attached *attached, const struct remap *remap)
{
	struct remap moved = *remap;
	uint64_t end;

	assert_writing(&attached->lock);
	moved.length = moved_length(remap);
	end = moved.to + moved.length;
	if (attached->changes.moved.guessed)
		take_back(attached, &moved);
	doubts_believe(attached, moved.to, end);
	/* What freed the destination has not been read yet, though it happened before. */
	if (region_any(&attached->regions, moved.to, end) && !is_alone(attached))
		limbo_put(attached, moved.to, end, LIMBO_COVERED);
	move_pieces(attached, &moved);
}

/*
 * An UNMAP of [start, end) may come from what was there before something moved there: that waits in
 * limbo, or has moved away, and mremap sends one for what it left. Else it is about what is there.
 */
static bool is_owed(const struct attached *attached, uint64_t start, uint64_t end)
{
	return moves_owe(&attached->changes.moved, start, end) ||
	       limbo_overlaps(attached, start, end);
}

/* More was unmapped than what has moved there: some of it may have been unknown to us. */
static bool is_wider(const struct remap *moved, uint64_t start, uint64_t end)
{
	return start < moved->to || end > moved->to + moved->length;
}

/* A part of what has moved there is named by an UNMAP. If it stands, that is about what was there
 * before, or was left there by one that had moved (`left`). Else it is gone, or has moved on, and
 * its REMAP comes. */
static void unmap_moved(struct attached *attached, uint64_t start, uint64_t end, bool left)
{
	if (!region_any(&attached->regions, start, end))
		return;
	batch_quiesce(attached);
	if (still_stands(attached, start, end)) {
		attached->changes.moved.spared = true;
		if (!left)
			limbo_note_unmapped(attached, start, end);
	} else {
		limbo_put(attached, start, end, LIMBO_UNMAPPED);
	}
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
	const struct moved *moved = &attached->changes.moved;
	uint64_t stop;

	for (uint64_t at = start; at < end && userfault_is_changing(attached->task.userfault);
	     at = stop) {
		stop = moves_piece_end(moved, &attached->regions, at, end);
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
	struct moved *moved = &attached->changes.moved;
	const struct remap *there = moves_into(moved, start, end);
	bool left;

	assert_writing(&attached->lock);
	if (there && ((!is_owed(attached, start, end) && !is_wider(there, start, end)) ||
		      is_alone(attached)))
		there = NULL;
	left = moves_note_sent(moved, start, end);
	for (; there && start < end; there = moves_into(moved, start, end)) {
		uint64_t from = there->to > start ? there->to : start;
		uint64_t stop = moves_piece_end(moved, &attached->regions, from, end);

		unmap_here(attached, start, from);
		unmap_moved(attached, from, stop, left);
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
