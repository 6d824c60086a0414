// SPDX-License-Identifier: MIT
/*
 * Fetching: reading a page from a device without keeping its descriptor locked. The
 * hold keeps the segment's id from being used again, so as long as a descriptor has the same
 * location, the bytes are the same. That is not so where segments are filled in place, but those
 * are in RAM.
 */
#include "store/fetch.h"

#include "store/private.h"
#include "store/segment.h"

bool store_fetch_begin(struct store *store, desc_t word, struct store_fetch *fetch)
{
	slot_t *anchor = NULL;
	desc_t inner = word;
	bool held;

	if (desc_state(word) == DESC_SHARED) {
		anchor = anchor_slot(store->space, desc_anchor(word));
		inner = slot_lock(anchor);
	}
	held = desc_state(inner) == DESC_STORED && desc_segment(inner) &&
	       !segment_of(store, desc_segment(inner))->in_place &&
	       segment_hold(segment_of(store, desc_segment(inner)));
	if (anchor)
		slot_unlock(anchor, inner);
	*fetch = (struct store_fetch){.word = word, .location = desc_make_stored(inner)};
	return held;
}

int store_fetch_read(struct store *store, const struct store_fetch *fetch, void *page)
{
	return store_get(store, fetch->location, page);
}

void store_fetch_distrust(struct store *store, const struct store_fetch *fetch)
{
	struct segment *segment = segment_of(store, desc_segment(fetch->location));
	struct backend *backend;

	atomic_fetch_add(&segment->pins, 1);
	backend = segment_backend(store, segment);
	if (backend && backend->operations->distrust)
		backend->operations->distrust(backend, segment_extent(segment), SEGMENT_BYTES);
	atomic_fetch_sub_explicit(&segment->pins, 1, memory_order_release);
}

bool store_fetch_is(struct store *store, const struct store_fetch *fetch)
{
	desc_t inner;

	if (desc_state(fetch->word) != DESC_SHARED)
		return true;
	inner = atomic_load_explicit(anchor_slot(store->space, desc_anchor(fetch->word)),
				     memory_order_acquire);
	return desc_state(inner) == DESC_STORED &&
	       desc_location(inner) == desc_location(fetch->location);
}

struct backend *store_fetch_backend(struct store *store, const struct store_fetch *fetch)
{
	return segment_backend(store, segment_of(store, desc_segment(fetch->location)));
}

void store_fetch_end(struct store *store, const struct store_fetch *fetch)
{
	segment_release(store, desc_segment(fetch->location), LIVE_WORD);
}
