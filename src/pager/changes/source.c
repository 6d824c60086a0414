/* SPDX-License-Identifier: MIT */
#include "pager/changes/source.h"

#include "pager/attached/limbo.h"
#include "pager/attached/mapping.h"
#include "pager/attached/region.h"
#include "pager/attached/state.h"
#include "pager/changes/fit.h"

struct piece {
	uint64_t from, end; /* where it was */
	uint64_t to;
	bool is_all; /* of what has moved */
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

static int64_t score_there(const struct attached *attached, const struct piece *piece,
			   uint64_t slots)
{
	struct fit fit = fit_of(attached, slots, piece->to, piece->to + (piece->end - piece->from));

	return fit_score(&fit);
}

/* It was where the piece was, and not all of it has left limbo since. */
static bool was_there(const struct attached *attached, const struct limbo_item *item,
		      const struct piece *piece)
{
	return item->start <= piece->from && item->end >= piece->end &&
	       region_any(&attached->regions, limbo_place(item, piece->from),
			  limbo_place(item, piece->end));
}

/* What in limbo fits best, and how well; NULL: none does. Of equals the newest, but rather one that
 * is not most likely gone. */
static const struct limbo_item *best_of_limbo(const struct attached *attached,
					      const struct piece *piece, int64_t *best)
{
	const struct limbo *limbo = &attached->changes.limbo;
	const struct limbo_item *found = NULL;

	for (size_t i = 0; i < limbo->count; i++) {
		const struct limbo_item *item = &limbo->items[i];
		int64_t score;

		if (!was_there(attached, item, piece))
			continue;
		score = score_there(attached, piece, limbo_place(item, piece->from));
		if (score < 0 || (found && score < *best))
			continue;
		if (found && score == *best && found->why != LIMBO_GONE && item->why == LIMBO_GONE)
			continue;
		found = item;
		*best = score;
	}
	return found;
}

/*
 * Nothing of ours is where the piece was. What waits in limbo has moved if the page table shows it,
 * or, where that shows nothing, if it was all that has moved. But what an UNMAP was read of is gone
 * then, if anything else has been there since.
 */
static uint64_t from_limbo(const struct attached *attached, const struct piece *piece,
			   const struct limbo_item *item, int64_t score)
{
	bool likely =
		piece->is_all && (item->why != LIMBO_GONE ||
				  !moves_touch(&attached->changes.moved, piece->from, piece->end));

	return score > 0 || likely ? limbo_place(item, piece->from) : SOURCE_NONE;
}

/*
 * What has come to where the piece was is still there, and no evidence says that it has moved.
 * (That it is registered proves little: mremap may have left an empty mapping there.) `sure`: pages
 * show it.
 */
static bool still_stands(const struct attached *attached, const struct piece *piece, bool *sure)
{
	struct fit here = fit_of(attached, piece->from, piece->from, piece->end);

	*sure = here.found;
	return !fit_is_emptied(&here) && mapping_any_registered(attached, piece->from, piece->end);
}

/* All that has come there has moved on, and nothing else. */
static bool is_all_that_came(const struct attached *attached, const struct piece *piece)
{
	const struct remap *came = moves_into(&attached->changes.moved, piece->from, piece->end);

	return piece->is_all && came && came->to == piece->from &&
	       came->length == piece->end - piece->from;
}

/*
 * Something of ours is where the piece was: it has moved, or has come there since what moved left.
 * Where the page table fits both: what an UNMAP has put into limbo is most likely gone.
 */
static uint64_t from_place(const struct attached *attached, const struct piece *piece,
			   const struct limbo_item *item, int64_t score)
{
	int64_t now = score_there(attached, piece, piece->from);
	bool sure;

	if (item && score > 0 && score > now)
		return limbo_place(item, piece->from);
	if (now > 0 && (!item || now > score))
		return piece->from;
	if (!still_stands(attached, piece, &sure))
		return piece->from;
	if (item && item->why == LIMBO_COVERED)
		return limbo_place(item, piece->from);
	return !item && (sure || !is_all_that_came(attached, piece)) ? SOURCE_NONE : piece->from;
}

uint64_t source_find(const struct attached *attached, const struct remap *remap, uint64_t at,
		     uint64_t end)
{
	const struct piece piece = {
		.from = at,
		.end = end,
		.to = remap->to + (at - remap->from),
		.is_all = at == remap->from && end - at == remap->length,
	};
	const struct limbo_item *item;
	int64_t score = 0;

	assert_writing(&attached->lock);
	item = best_of_limbo(attached, &piece, &score);
	if (!region_any(&attached->regions, at, end))
		return item ? from_limbo(attached, &piece, item, score) : SOURCE_NONE;
	if (!item && !moves_into(&attached->changes.moved, at, end))
		return at;
	return from_place(attached, &piece, item, score);
}
