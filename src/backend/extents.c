/* SPDX-License-Identifier: MIT */
#include "backend/extents.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static bool bit(const uint64_t *map, uint64_t index)
{
	return map[index / 64] >> index % 64 & 1;
}

static void set_bit(uint64_t *map, uint64_t index)
{
	map[index / 64] |= 1ull << index % 64;
}

static void clear_bit(uint64_t *map, uint64_t index)
{
	map[index / 64] &= ~(1ull << index % 64);
}

int extents_open(struct extents *extents, uint64_t count)
{
	uint64_t words = (count + 63) / 64;

	*extents = (struct extents){.count = count};
	extents->used_map = calloc(words, sizeof(uint64_t));
	extents->stale_map = calloc(words, sizeof(uint64_t));
	if (!extents->used_map || !extents->stale_map) {
		free(extents->used_map);
		free(extents->stale_map);
		return -ENOMEM;
	}
	/* The bits behind the last extent are used for ever: no search needs to look at them. */
	for (uint64_t i = count; i < words * 64; i++)
		set_bit(extents->used_map, i);
	pthread_mutex_init(&extents->lock, NULL);
	return 0;
}

void extents_close(struct extents *extents)
{
	pthread_mutex_destroy(&extents->lock);
	free(extents->used_map);
	free(extents->stale_map);
}

/* First free (and stale) extent at or after `from`, going round once. */
static uint64_t search(const struct extents *extents, uint64_t from, bool stale)
{
	uint64_t words = (extents->count + 63) / 64;
	uint64_t first = from / 64;

	for (uint64_t i = 0; i <= words; i++) {
		uint64_t word = (first + i) % words;
		uint64_t candidates = ~extents->used_map[word];

		if (stale)
			candidates &= extents->stale_map[word];
		if (i == 0)
			candidates &= ~0ull << from % 64;
		if (candidates)
			return word * 64 + (uint64_t)__builtin_ctzll(candidates);
	}
	return EXTENTS_NONE;
}

uint64_t extents_take(struct extents *extents)
{
	uint64_t extent;

	pthread_mutex_lock(&extents->lock);
	extent = search(extents, extents->next, false);
	if (extent != EXTENTS_NONE) {
		set_bit(extents->used_map, extent);
		extents->used++;
		extents->stale_free -= bit(extents->stale_map, extent);
		extents->next = extent + 1 < extents->count ? extent + 1 : 0;
	}
	pthread_mutex_unlock(&extents->lock);
	return extent;
}

void extents_give(struct extents *extents, uint64_t extent)
{
	pthread_mutex_lock(&extents->lock);
	assert(extent < extents->count && bit(extents->used_map, extent));
	clear_bit(extents->used_map, extent);
	extents->used--;
	extents->stale_free += bit(extents->stale_map, extent);
	pthread_mutex_unlock(&extents->lock);
}

void extents_set_stale(struct extents *extents, uint64_t extent)
{
	pthread_mutex_lock(&extents->lock);
	assert(extent < extents->count && bit(extents->used_map, extent));
	set_bit(extents->stale_map, extent);
	pthread_mutex_unlock(&extents->lock);
}

uint64_t extents_used(struct extents *extents)
{
	uint64_t used;

	pthread_mutex_lock(&extents->lock);
	used = extents->used;
	pthread_mutex_unlock(&extents->lock);
	return used;
}

uint64_t extents_discard_begin(struct extents *extents, uint64_t longest, uint64_t *first)
{
	uint64_t count = 0;

	pthread_mutex_lock(&extents->lock);
	if (extents->stale_free) {
		*first = search(extents, extents->discard_at, true);
		while (*first != EXTENTS_NONE && count < longest &&
		       *first + count < extents->count && !bit(extents->used_map, *first + count) &&
		       bit(extents->stale_map, *first + count)) {
			set_bit(extents->used_map, *first + count);
			clear_bit(extents->stale_map, *first + count);
			extents->stale_free--;
			count++;
		}
		if (count)
			extents->discard_at = (*first + count) % extents->count;
	}
	pthread_mutex_unlock(&extents->lock);
	return count;
}

void extents_discard_end(struct extents *extents, uint64_t first, uint64_t count)
{
	pthread_mutex_lock(&extents->lock);
	for (uint64_t i = 0; i < count; i++)
		clear_bit(extents->used_map, first + i);
	pthread_mutex_unlock(&extents->lock);
}
