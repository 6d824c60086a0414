// SPDX-License-Identifier: MIT
/*
 * The cleaner: which segment to empty next.
 *
 * Cost-benefit as in the log-structured file system: (1 - u) * age / (1 + u),
 * where u is the part that must be copied. Shadows count as dead. How much of a
 * segment is shadow is only estimated while pages come and go (store_get adds,
 * store_is_same takes away), since the fault path should not pay for it; before
 * a segment is chosen for its shadows it is surveyed: its headers are walked and
 * the holders looked at, which makes the estimate exact.
 *
 * Segments that are filled in place are no log: they are emptied, the emptiest first, only to get
 * their frames, and what lives goes into holes of others. Packing does not empty them.
 */
#include "store/clean.h"

#include "store/private.h"
#include "store/relocate.h"
#include "store/segment.h"

/* Fuller segments are not worth copying. */
#define FULLEST 0.9
/* The same of those that are filled in place: what is copied fills holes. */
#define FULLEST_IN_PLACE 0.97
/* And of the runs beside them: who faults at random leaves holes in all of them. */
#define FULLEST_RUNS 0.75
/* What the strong codec is taken to leave of a segment that it has not seen. */
#define STRONG_LEAVES 0.6
/* What age counts in a segment that is filled in place and was sealed, or tried, last. */
#define NOT_YET 0.01
#define TRIES	4

static double fullness(struct segment *segment, bool strong)
{
	uint64_t live = segment_live_bytes(segment);
	uint64_t shadow = atomic_load_explicit(&segment->shadow, memory_order_relaxed);
	double u = (double)(live > shadow ? live - shadow : 0) / SEGMENT_BYTES;

	return strong && !segment->recoded ? u * STRONG_LEAVES : u;
}

static bool is_worth_it(const struct store *store, struct segment *segment, bool strong)
{
	if (segment_must_move(store, segment))
		return !strong;
	if (segment->in_place && strong)
		return !segment->recoded;
	return fullness(segment, strong) < (segment->in_place ? FULLEST_IN_PLACE
					    : store->in_place ? FULLEST_RUNS
							      : FULLEST);
}

/* What emptying or packing a segment is worth; 0: nothing. Mutex held. */
static double value_of(struct store *store, struct segment *segment, bool strong)
{
	double u = fullness(segment, strong);
	double age = store->sequence - segment->sequence + 1;

	if (!is_worth_it(store, segment, strong))
		return 0;
	if (segment_must_move(store, segment))
		return (2 - u) * (age > 1 ? 1 : NOT_YET);
	if (segment->in_place && strong)
		return u;
	if (segment->in_place)
		/* Others first, where something was in the way. */
		age = age > 1 ? 1 : NOT_YET;
	return (1 - u) * age / (1 + u);
}

/* The best sealed segment, claimed with a hold; 0: none is worth it. */
static uint32_t choose(struct store *store, bool strong)
{
	uint32_t best = 0;
	double highest = 0;

	if (store->holes.bits)
		pthread_mutex_lock(&store->holes.lock);
	pthread_mutex_lock(&store->lock);
	for (uint32_t id = store->sealed.first; id; id = segment_of(store, id)->next) {
		struct segment *segment = segment_of(store, id);
		double value = value_of(store, segment, strong);

		if (value > highest) {
			highest = value;
			best = id;
		}
	}
	if (best && !segment_hold(segment_of(store, best)))
		best = 0;
	if (best)
		segment_claim(store, best, SEGMENT_CLEANING);
	pthread_mutex_unlock(&store->lock);
	if (store->holes.bits)
		pthread_mutex_unlock(&store->holes.lock);
	return best;
}

static uint32_t page_share(struct object object)
{
	return object_bytes(object) / object.pages;
}

/* Makes the estimate of a claimed segment's shadows exact. */
static void survey(struct store *store, uint32_t id)
{
	struct segment *segment = segment_of(store, id);
	const unsigned char *frame = frame_address(store, segment->frame);
	struct object object;
	uint32_t shadow = 0;

	for (uint32_t offset = 0; segment_next(store, segment, frame, &offset, &object);
	     offset += object_bytes(object)) {
		uint32_t length = object.pages == 1 ? object_bytes(object) : 0;

		for (unsigned int i = 0; i < object.pages; i++) {
			slot_t *slot = space_find_holder(store->space, object.slot + i,
							 desc_make_location(id, offset, length, i));

			if (slot && desc_state(atomic_load(slot)) == DESC_RESIDENT)
				shadow += page_share(object);
		}
	}
	atomic_store_explicit(&segment->shadow, shadow, memory_order_relaxed);
}

static void found_holder(void *argument, slot_t *slot, desc_t word)
{
	relocate_word(argument, slot, word);
}

/* Moves what can be moved out of a claimed segment. */
static void empty(struct cleaning *cleaning)
{
	struct store *store = cleaning->store;
	struct segment *segment = segment_of(store, cleaning->id);
	uint32_t offset = 0;
	struct object object;

	cleaning->frame = frame_address(store, segment->frame);
	while (!cleaning->stuck &&
	       segment_next(store, segment, cleaning->frame, &offset, &object)) {
		relocate_object(cleaning, offset, object);
		offset += object_bytes(object);
	}
	/* A header that is no header hides those behind it: then every slot is looked at. */
	if (LIVE_WORDS(segment->live) > 1 && !cleaning->stuck && !cleaning->in_place)
		space_each_holder(store->space, cleaning->id, offset != segment->used, found_holder,
				  cleaning);
	store_published(cleaning->writer);
}

/* Empties one claimed segment and gives up its hold. Returns the bytes that this made free. */
static uint64_t clean_one(struct store *store, struct store_writer *writer, uint32_t id,
			  bool strong)
{
	struct segment *segment = segment_of(store, id);
	struct cleaning cleaning = {.store = store,
				    .writer = writer,
				    .id = id,
				    .strong = strong && !segment->recoded,
				    .in_place = strong && segment->in_place,
				    .moves = segment_must_move(store, segment),
				    .group = ~0ull};
	uint64_t freed;
	bool emptied;

	writer->cleaner = true;
	store_writer_select(writer, segment->tiers);
	writer->recodes = cleaning.strong || segment->recoded;
	/* What it copies is as old as where it came from. */
	writer->sequence = segment->sequence;
	empty(&cleaning);
	emptied = LIVE_WORDS(atomic_load(&segment->live)) == 1;
	pthread_mutex_lock(&store->lock);
	segment->recoded |= cleaning.in_place;
	if (!emptied && !cleaning.in_place)
		/* Something is in the way: others first. */
		segment->sequence = store->sequence;
	segment_link(store, id, SEGMENT_SEALED);
	pthread_mutex_unlock(&store->lock);
	segment_release(store, id, LIVE_WORD);
	atomic_fetch_add_explicit(&store->copied_bytes, cleaning.copied, memory_order_relaxed);
	if (cleaning.in_place && !emptied)
		return cleaning.copied < cleaning.relieved ? cleaning.relieved - cleaning.copied
							   : 0;
	if (!emptied)
		return 0;
	atomic_fetch_add_explicit(&store->cleaned_segments, 1, memory_order_relaxed);
	freed = SEGMENT_BYTES + cleaning.relieved;
	if (cleaning.copied < freed)
		return freed - cleaning.copied;
	return cleaning.moves ? 1 : 0; /* it may leave now, which is what is wanted */
}

uint64_t store_clean(struct store *store, struct store_writer *writer, bool strong)
{
	uint64_t freed = segment_drop_cached(store);

	for (unsigned int try = 0; !freed && try < TRIES; try++) {
		uint32_t id = choose(store, strong);

		if (!id)
			break;
		survey(store, id);
		if (is_worth_it(store, segment_of(store, id), strong)) {
			freed = clean_one(store, writer, id, strong);
			continue;
		}
		pthread_mutex_lock(&store->lock);
		segment_link(store, id, SEGMENT_SEALED);
		pthread_mutex_unlock(&store->lock);
		segment_release(store, id, LIVE_WORD);
	}
	return freed;
}

/* The emptiest segment of the backend, claimed with a hold; 0: none is half empty. */
static uint32_t choose_compact(struct store *store, struct backend *backend)
{
	uint64_t least = SEGMENT_BYTES / 2;
	uint32_t best = 0;

	pthread_mutex_lock(&store->lock);
	for (uint32_t id = 1; id < store->segments_made; id++) {
		struct segment *segment = segment_of(store, id);

		if (segment_backend(store, segment) == backend &&
		    segment_state(segment) == SEGMENT_BACKEND &&
		    segment_live_bytes(segment) < least) {
			least = segment_live_bytes(segment);
			best = id;
		}
	}
	if (best && !segment_hold(segment_of(store, best)))
		best = 0;
	if (best)
		segment_claim(store, best, SEGMENT_LOADING);
	pthread_mutex_unlock(&store->lock);
	return best;
}

uint64_t store_compact(struct store *store, struct store_writer *cleaner, struct backend *backend)
{
	uint32_t id = choose_compact(store, backend);

	if (!id)
		return 0;
	if (segment_recall(store, id, SEGMENT_BACKEND, SEGMENT_CLEANING, false)) {
		segment_release(store, id, LIVE_WORD);
		return 0;
	}
	clean_one(store, cleaner, id, false);
	return SEGMENT_BYTES;
}
