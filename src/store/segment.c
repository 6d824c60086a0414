// SPDX-License-Identifier: MIT
/* The segment table, its lists, and the frames of RAM segments. */
#include "store/segment.h"

#include <assert.h>
#include "space/map.h"
#include "store/private.h"

/* ---- frames ---- */

uint32_t frame_take(struct store *store, bool for_cleaner)
{
	uint32_t limit = store->frame_limit;
	uint32_t used = atomic_load_explicit(&store->frames_used, memory_order_relaxed);
	uint32_t frame;

	if (for_cleaner && store->frames_moving > limit)
		limit = store->frames_moving;
	if (!for_cleaner)
		limit = limit > 2 * CLEANER_FRAMES ? limit - CLEANER_FRAMES : limit / 2;
	if (used >= limit)
		return FRAME_NONE;
	if (store->warm_count)
		frame = store->warm[--store->warm_count];
	else if (store->frame_free_count)
		frame = store->frame_free[--store->frame_free_count];
	else if (store->frames_made < store->frame_highest)
		frame = store->frames_made++;
	else
		return FRAME_NONE;
	atomic_fetch_add_explicit(&store->frames_used, 1, memory_order_relaxed);
	return frame;
}

/* Empty frames that stay populated; they count as RAM that segments take, so only a few, and
 * none where a frame is much of what there is. */
static uint32_t warm_limit(const struct store *store)
{
	uint32_t share = store->frame_limit / 16;

	return share < WARM_FRAMES ? share : WARM_FRAMES;
}

void frame_forget(struct store *store, uint32_t frame)
{
	map_give_back(frame_address(store, frame), SEGMENT_BYTES);
	if (store->holes.bits)
		map_give_back((void *)(store->holes.bits + (size_t)frame * HOLES_WORDS),
			      HOLES_WORDS * sizeof(uint64_t));
}

void frame_return(struct store *store, uint32_t frame, bool whole)
{
	uint32_t used;

	pthread_mutex_lock(&store->lock);
	used = atomic_load_explicit(&store->frames_used, memory_order_relaxed);
	if (whole && store->warm_count < warm_limit(store) &&
	    used - 1 + store->warm_count < store->frame_limit) {
		store->warm[store->warm_count++] = frame;
	} else {
		/* Some 100 us for the kernel; nobody else should wait for that. */
		pthread_mutex_unlock(&store->lock);
		frame_forget(store, frame);
		pthread_mutex_lock(&store->lock);
		store->frame_free[store->frame_free_count++] = frame;
	}
	used = atomic_fetch_sub_explicit(&store->frames_used, 1, memory_order_relaxed) - 1;
	if (store->frames_moving > used + CLEANER_FRAMES)
		store->frames_moving = used + CLEANER_FRAMES;
	pthread_mutex_unlock(&store->lock);
}

/* ---- lists ---- */

static struct segment_list *list_of(struct store *store, enum segment_state state)
{
	if (state == SEGMENT_SEALED)
		return &store->sealed;
	return state == SEGMENT_CACHED ? &store->cached : NULL;
}

void segment_link(struct store *store, uint32_t id, enum segment_state state)
{
	struct segment *segment = segment_of(store, id);
	struct segment_list *list = list_of(store, state);
	uint32_t after;

	segment_set_state(segment, state);
	if (!list)
		return;
	/* Nearly always the youngest. */
	for (after = list->last; after; after = segment_of(store, after)->previous)
		if (segment_of(store, after)->sequence <= segment->sequence)
			break;
	segment->previous = after;
	segment->next = after ? segment_of(store, after)->next : list->first;
	*(segment->next ? &segment_of(store, segment->next)->previous : &list->last) = id;
	*(after ? &segment_of(store, after)->next : &list->first) = id;
	list->count++;
}

void segment_unlink(struct store *store, uint32_t id)
{
	struct segment *segment = segment_of(store, id);
	struct segment_list *list = list_of(store, segment_state(segment));

	if (!list)
		return;
	*(segment->previous ? &segment_of(store, segment->previous)->next : &list->first) =
		segment->next;
	*(segment->next ? &segment_of(store, segment->next)->previous : &list->last) =
		segment->previous;
	list->count--;
}

/* ---- segments ---- */

uint32_t segment_new(struct store *store, bool for_cleaner, uint32_t *ready)
{
	struct segment *segment;
	uint32_t id = 0, frame;

	pthread_mutex_lock(&store->lock);
	*ready = store->warm_count ? SEGMENT_BYTES : 0;
	frame = store->segment_free || store->segments_made < store->segment_limit
			? frame_take(store, for_cleaner)
			: FRAME_NONE;
	if (frame == FRAME_NONE) {
		pthread_mutex_unlock(&store->lock);
		return 0;
	}
	id = store->segment_free;
	if (id)
		store->segment_free = segment_of(store, id)->next;
	else
		id = store->segments_made++;
	segment = segment_of(store, id);
	segment_set_state(segment, SEGMENT_SPARE);
	pthread_mutex_unlock(&store->lock);

	assert(!segment->live && !segment->pins);
	segment->shadow = 0;
	segment->used = 0;
	segment->run_bytes = 0;
	segment->run_slots = 0;
	segment->recoded = segment->untagged = false;
	segment->in_place = false;
	segment->tiers = STORE_ANY_TIER;
	atomic_store_explicit(&segment->live, LIVE_WORD, memory_order_relaxed);
	atomic_store_explicit(&segment->frame, frame, memory_order_release);
	return id;
}

bool segment_count(struct segment *segment, uint64_t more)
{
	uint64_t live = atomic_load_explicit(&segment->live, memory_order_relaxed);

	while (LIVE_WORDS(live))
		if (atomic_compare_exchange_weak_explicit(&segment->live, &live, live + more,
							  memory_order_acquire,
							  memory_order_relaxed))
			return true;
	return false;
}

void segment_wait_pins(struct segment *segment)
{
	unsigned int rounds = 0;

	while (atomic_load(&segment->pins))
		space_wait(&rounds);
}

struct backend *segment_backend(struct store *store, struct segment *segment)
{
	unsigned int backend = atomic_load_explicit(&segment->backend, memory_order_acquire);

	return backend ? store->backends[backend - 1] : NULL;
}

/* The last count is gone: nobody can come by this segment any more. */
static void segment_free(struct store *store, uint32_t id)
{
	struct segment *segment = segment_of(store, id);
	struct backend *backend;
	uint64_t extent;
	uint32_t frame, used;

	segment_wait_pins(segment);
	pthread_mutex_lock(&store->lock);
	segment_unlink(store, id);
	backend = segment_backend(store, segment);
	extent = segment_extent(segment);
	used = segment->used;
	if (backend)
		store->segments_backend--;
	if (!segment->tiers)
		atomic_fetch_sub(&store->frames_kept, 1);
	atomic_store_explicit(&segment->backend, 0, memory_order_relaxed);
	frame = atomic_exchange(&segment->frame, FRAME_NONE);
	segment_set_state(segment, SEGMENT_FREE);
	segment->next = store->segment_free;
	store->segment_free = id;
	pthread_mutex_unlock(&store->lock);
	if (frame != FRAME_NONE)
		frame_return(store, frame, frame_is_whole(used));
	if (backend)
		backend->operations->release(backend, extent);
}

void segment_release(struct store *store, uint32_t id, uint64_t live)
{
	struct segment *segment = segment_of(store, id);
	uint64_t before = atomic_fetch_sub_explicit(&segment->live, live, memory_order_acq_rel);

	assert(LIVE_WORDS(before) && before >= live);
	if (LIVE_WORDS(before) == 1) {
		assert(before == live);
		segment_free(store, id);
	}
}

void segment_seal(struct store *store, uint32_t id, uint32_t used, uint32_t sequence)
{
	struct segment *segment = segment_of(store, id);

	pthread_mutex_lock(&store->lock);
	atomic_store_explicit(&segment->used, used, memory_order_relaxed);
	segment->sequence = sequence ? sequence : ++store->sequence;
	segment_link(store, id, SEGMENT_SEALED);
	pthread_mutex_unlock(&store->lock);
	segment_release(store, id, LIVE_WORD);
}

uint64_t segment_live_bytes(struct segment *segment)
{
	uint64_t live = atomic_load_explicit(&segment->live, memory_order_relaxed);
	uint64_t bytes = (live & LIVE_FIELD) * STORE_GRAIN;
	uint64_t slots = atomic_load_explicit(&segment->run_slots, memory_order_relaxed);

	if (slots)
		bytes += (live / LIVE_RUN & LIVE_FIELD) *
			 atomic_load_explicit(&segment->run_bytes, memory_order_relaxed) / slots;
	return bytes;
}
