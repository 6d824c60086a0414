// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "space/map.h"
#include "store/private.h"
#include "store/segment.h"

static void drop(void *argument, desc_t word)
{
	store_drop(argument, word);
}

/* Blocks at most once after boot, until the kernel has gathered randomness. */
static int make_secret(struct store *store)
{
	ssize_t got;

	do
		got = getrandom(store->secret, sizeof(store->secret), 0);
	while (got < 0 && errno == EINTR);
	return got == (ssize_t)sizeof(store->secret) ? 0 : -EIO;
}

static int open_readers(struct store *store)
{
	for (unsigned int i = 0; i < READERS; i++) {
		struct reader *reader = &store->readers[i];

		reader->number = i;
		reader->codec = codec_new();
		reader->buffer = map_sparse(OBJECT_HIGHEST);
		if (!reader->codec || !reader->buffer)
			return -ENOMEM;
	}
	return 0;
}

static int make_seal(struct store *store)
{
	struct seal *seal;
	int error = seal_new(&seal);

	if (!error)
		store->seal = seal;
	return error;
}

static int open_parts(struct store *store, const struct store_config *config, uint32_t clusters)
{
	int error = make_secret(store);

	store->table = map_sparse(store->segment_limit * sizeof(*store->table));
	store->frames = map_sparse((size_t)store->frame_highest * SEGMENT_BYTES);
	store->frame_free = map_sparse(store->frame_highest * sizeof(*store->frame_free));
	if (!store->table || !store->frames || !store->frame_free)
		return -ENOMEM;
	if (!error && config->in_place)
		error = holes_open(store);
	if (!error && config->seals)
		error = make_seal(store);
	if (!error)
		error = open_readers(store);
	return error ? error : space_open(&store->space, clusters, drop, store);
}

int store_open(struct store **out, const struct store_config *config, uint32_t clusters)
{
	struct store *store = calloc(1, sizeof(*store));
	uint64_t frames = config->ram_bytes_highest / SEGMENT_BYTES;
	int error;

	if (!store)
		return -ENOMEM;
	store->frame_highest = frames < FRAME_NONE ? (uint32_t)frames : FRAME_NONE - 1;
	store->segment_limit = config->segments < (1u << 24) - 1 ? config->segments + 1 : 1u << 24;
	store->segments_made = 1;
	store->drain_at = 1;
	store->in_place = config->in_place;
	pthread_mutex_init(&store->lock, NULL);
	error = open_parts(store, config, clusters);
	if (error) {
		store_close(store);
		return error;
	}
	store_set_ram(store, config->ram_bytes);
	*out = store;
	return 0;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	space_close(store->space);
	for (unsigned int i = 0; i < READERS; i++) {
		codec_free(store->readers[i].codec);
		map_remove(store->readers[i].buffer, OBJECT_HIGHEST);
	}
	holes_close(store);
	seal_free(store->seal);
	explicit_bzero(store->secret, sizeof(store->secret));
	map_remove(store->table, store->segment_limit * sizeof(*store->table));
	map_remove(store->frames, (size_t)store->frame_highest * SEGMENT_BYTES);
	map_remove(store->frame_free, store->frame_highest * sizeof(*store->frame_free));
	pthread_mutex_destroy(&store->lock);
	free(store);
}

int store_open_up(struct store *store, bool seals)
{
	int error = seals && !store->seal ? make_seal(store) : 0;

	if (error || !store->in_place)
		return error;
	/* Nobody chooses a segment to clean by what was so before. */
	pthread_mutex_lock(&store->holes.lock);
	pthread_mutex_lock(&store->lock);
	store->in_place = false;
	/* RAM segments get less of the budget now, and moving them takes room at first. */
	store->frames_moving = store->frames_used + CLEANER_FRAMES;
	pthread_mutex_unlock(&store->lock);
	pthread_mutex_unlock(&store->holes.lock);
	return 0;
}

struct space *store_space(struct store *store)
{
	return store->space;
}

void store_set_ram(struct store *store, uint64_t bytes)
{
	uint64_t limit = bytes / SEGMENT_BYTES;

	pthread_mutex_lock(&store->lock);
	store->frame_limit = limit < store->frame_highest ? (uint32_t)limit : store->frame_highest;
	while (store->warm_count && store->frames_used + store->warm_count > store->frame_limit) {
		uint32_t frame = store->warm[--store->warm_count];

		frame_forget(store, frame);
		store->frame_free[store->frame_free_count++] = frame;
	}
	pthread_mutex_unlock(&store->lock);
}

uint64_t store_ram_bytes(const struct store *store)
{
	return (uint64_t)(atomic_load_explicit(&store->frames_used, memory_order_relaxed) +
			  atomic_load_explicit(&store->warm_count, memory_order_relaxed)) *
	       SEGMENT_BYTES;
}

void store_drop(struct store *store, desc_t word)
{
	struct segment *segment = segment_of(store, desc_segment(word));

	if (!desc_segment(word))
		return;
	/* The word's count keeps it from being another segment. */
	if (atomic_load_explicit(&segment->in_place, memory_order_relaxed))
		holes_clear(store, segment, desc_offset(word), desc_length(word));
	segment_release(store, desc_segment(word), live_of(word));
}
