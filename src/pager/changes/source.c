/* SPDX-License-Identifier: MIT */
#include "pager/changes/source.h"

#include "pager/attached/limbo.h"
#include "pager/attached/mapping.h"
#include "pager/attached/region.h"
#include "pager/attached/state.h"
#include "pager/changes/fit.h"
#include "pager/changes/who.h"

struct piece {
	uint64_t from, end; /* where it was */
	uint64_t to;
	bool is_all; /* of what has moved */
	struct mover mover;
};

static uint64_t earlier(uint64_t end, uint64_t at, uint64_t cut)
{
	return cut > at && cut < end ? cut : end;
}

uint64_t source_piece_end(const struct attached *attached, const struct remap *remap, uint64_t at)
{
	const struct limbo *limbo = &attached->changes.limbo;
	const struct moved *moved = &attached->changes.moved;
	uint64_t end = remap->from + remap->length;

	/* No event but this is in flight as a rule, and nothing is in doubt. */
	if (!limbo->count && !moves_into(moved, at, end))
		return end;
	end = moves_piece_end(moved, &attached->regions, at, end);
	for (size_t i = 0; i < limbo->count; i++) {
		end = earlier(end, at, limbo->items[i].start);
		end = earlier(end, at, limbo->items[i].end);
	}
	return end;
}

static struct fit fit_there(const struct attached *attached, const struct piece *piece,
			    uint64_t slots)
{
	return fit_of(attached, slots, piece->to, piece->to + (piece->end - piece->from));
}

/* It was where the piece was, and not all of it has left limbo since. */
static bool was_there(const struct attached *attached, const struct limbo_item *item,
		      const struct piece *piece)
{
	return item->start <= piece->from && item->end >= piece->end &&
	       region_any(&attached->regions, limbo_place(item, piece->from),
			  limbo_place(item, piece->end));
}

/* Something in limbo that was there, and how well it fits where the piece is now. */
struct waiting {
	const struct limbo_item *item; /* NULL: there is none */
	struct fit fit;
};

/* Whoever moves the piece had called before anything else came to where it was. */
static bool has_left_before(const struct piece *piece, const struct limbo_item *item)
{
	return piece->mover.thread && piece->mover.since <= item->look;
}

static bool is_preferred(const struct piece *piece, const struct waiting *one,
			 const struct waiting *found)
{
	if (!found->item || fit_is_better(&one->fit, &found->fit))
		return true;
	return !fit_is_better(&found->fit, &one->fit) && !has_left_before(piece, found->item) &&
	       (one->item->why != LIMBO_GONE || found->item->why == LIMBO_GONE);
}

/* What in limbo fits best. Of equals the oldest that its mover had left already, else the newest,
 * but rather one that is not most likely gone. */
static struct waiting best_of_limbo(const struct attached *attached, const struct piece *piece)
{
	const struct limbo *limbo = &attached->changes.limbo;
	struct waiting found = {0};

	for (size_t i = 0; i < limbo->count; i++) {
		struct waiting one = {.item = &limbo->items[i]};

		if (!was_there(attached, one.item, piece))
			continue;
		one.fit = fit_there(attached, piece, limbo_place(one.item, piece->from));
		if (!fit_is_emptied(&one.fit) && one.fit.against <= one.fit.agree &&
		    is_preferred(piece, &one, &found))
			found = one;
	}
	return found;
}

/*
 * Nothing of ours is where the piece was. What waits in limbo has moved if the page table shows it,
 * or, where that shows nothing, if it was all that has moved. But what an UNMAP was read of is gone
 * then, if anything else has been there since.
 */
static uint64_t from_limbo(const struct attached *attached, const struct piece *piece,
			   const struct waiting *waiting)
{
	const struct fit *fit = &waiting->fit;
	bool likely =
		piece->is_all && (waiting->item->why != LIMBO_GONE ||
				  !moves_touch(&attached->changes.moved, piece->from, piece->end));

	return likely || fit->agree > fit_misfits(fit) ? limbo_place(waiting->item, piece->from)
						       : SOURCE_NONE;
}

/*
 * What has come to where the piece was is still there, and no evidence says that it has moved.
 * (That it is registered proves little: mremap may have left an empty mapping there.) `sure`: pages
 * show it.
 */
static bool still_stands(const struct attached *attached, const struct piece *piece, bool *sure)
{
	struct fit here = fit_of(attached, piece->from, piece->from, piece->end);

	*sure = here.agree;
	return !fit_is_emptied(&here) && mapping_any_registered(attached, piece->from, piece->end);
}

/* All that has come there has moved on, and nothing else. */
static bool is_all_that_came(const struct attached *attached, const struct piece *piece)
{
	const struct remap *came =
		moves_last_into(&attached->changes.moved, piece->from, piece->end);

	return piece->is_all && came && came->to == piece->from &&
	       came->length == piece->end - piece->from;
}

/* Who brought it sleeps in that call still, which has one more event to send: what it left. (With
 * MREMAP_DONTUNMAP none comes: then something is registered there.) */
static bool is_coming(const struct attached *attached, const struct piece *piece)
{
	const struct remap *came =
		moves_last_into(&attached->changes.moved, piece->from, piece->end);

	return came && !came->sent &&
	       !mapping_any_registered(attached, came->from, came->from + came->length);
}

/*
 * Both what has come there and what waits in limbo may have moved, for all that the page table
 * shows. Who moves it may tell. Else it is what was covered, as that has waited for longer; but not
 * of a program of which one thread alone is ever seen to move or unmap: that has but one event in
 * flight.
 */
static bool is_older(const struct attached *attached, const struct piece *piece,
		     const struct limbo_item *item)
{
	pid_t mover = piece->mover.thread;
	pid_t owner = moves_owner(&attached->changes.moved, piece->from, piece->end);

	if (mover && mover == owner)
		return false;
	if (has_left_before(piece, item))
		return true;
	return item->why == LIMBO_COVERED && !who_unmaps(attached, item->start, item->end) &&
	       (attached->changes.callers.several || is_coming(attached, piece));
}

/* Something of ours is where the piece was: it has moved, or has come there since what moved left.
 */
static uint64_t from_place(const struct attached *attached, const struct piece *piece,
			   const struct waiting *waiting)
{
	const struct limbo_item *item = waiting->item;
	struct fit now = fit_there(attached, piece, piece->from);
	bool sure, older;

	if (item) {
		older = fit_is_better(&waiting->fit, &now) && waiting->fit.agree;
		if (!older && !fit_is_better(&now, &waiting->fit))
			older = is_older(attached, piece, item);
		return older ? limbo_place(item, piece->from) : piece->from;
	}
	if (!still_stands(attached, piece, &sure) || now.agree)
		return piece->from;
	return sure || !is_all_that_came(attached, piece) ? SOURCE_NONE : piece->from;
}

uint64_t source_find(const struct attached *attached, const struct remap *remap, uint64_t at,
		     uint64_t end)
{
	const struct piece piece = {
		.from = at,
		.end = end,
		.to = remap->to + (at - remap->from),
		.is_all = at == remap->from && end - at == remap->length,
		.mover = remap->mover,
	};
	struct waiting waiting;

	assert_writing(&attached->lock);
	waiting = best_of_limbo(attached, &piece);
	if (!region_any(&attached->regions, at, end))
		return waiting.item ? from_limbo(attached, &piece, &waiting) : SOURCE_NONE;
	if (!waiting.item && !moves_into(&attached->changes.moved, at, end))
		return at;
	return from_place(attached, &piece, &waiting);
}
