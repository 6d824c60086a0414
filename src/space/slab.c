/* SPDX-License-Identifier: MIT */
#include "space/slab.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include "space/map.h"

#define FULL UINT32_MAX

static size_t page_count(const struct slab *slab)
{
	return (size_t)(slab_id_limit(slab) / SLAB_PIECES);
}

int slab_open(struct slab *slab, uint32_t limit, void (*prepare)(void *page))
{
	*slab = (struct slab){.limit = limit, .prepare = prepare, .made = 1};
	pthread_mutex_init(&slab->lock, NULL);
	slab->map = map_sparse(page_count(slab) * PAGE_BYTES);
	slab->pages = map_sparse(page_count(slab) * sizeof(*slab->pages));
	return slab->map && slab->pages ? 0 : -ENOMEM;
}

void slab_close(struct slab *slab)
{
	map_remove(slab->map, page_count(slab) * PAGE_BYTES);
	map_remove(slab->pages, page_count(slab) * sizeof(*slab->pages));
	pthread_mutex_destroy(&slab->lock);
}

/* ---- the list of pages with room; lock held ---- */

static void put_first(struct slab *slab, uint32_t page)
{
	slab->pages[page].previous = 0;
	slab->pages[page].next = slab->room;
	if (slab->room)
		slab->pages[slab->room].previous = page;
	slab->room = page;
}

static void take_out(struct slab *slab, uint32_t page)
{
	const struct slab_page *entry = &slab->pages[page];

	if (entry->previous)
		slab->pages[entry->previous].next = entry->next;
	else
		slab->room = entry->next;
	if (entry->next)
		slab->pages[entry->next].previous = entry->previous;
}

/* A page with no piece in use becomes the first with room. */
static void add_page(struct slab *slab)
{
	uint32_t page = slab->empty;

	if (page)
		slab->empty = slab->pages[page].next;
	else
		page = atomic_fetch_add_explicit(&slab->made, 1, memory_order_release);
	put_first(slab, page);
	slab->resident++;
}

uint32_t slab_take(struct slab *slab)
{
	uint32_t id = 0, piece;

	pthread_mutex_lock(&slab->lock);
	if (slab->used < slab->limit) {
		if (!slab->room)
			add_page(slab);
		piece = (uint32_t)__builtin_ctz(~slab->pages[slab->room].used);
		id = slab->room * SLAB_PIECES + piece;
		slab->pages[slab->room].used |= 1u << piece;
		if (slab->pages[slab->room].used == FULL)
			take_out(slab, slab->room);
		slab->used++;
	}
	pthread_mutex_unlock(&slab->lock);
	return id;
}

/* It is in no list: nobody takes of it meanwhile. */
static void give_page(struct slab *slab, uint32_t page)
{
	void *bytes = slab_at(slab, page * SLAB_PIECES);

	if (slab->prepare)
		slab->prepare(bytes);
	map_give_back(bytes, PAGE_BYTES);
	pthread_mutex_lock(&slab->lock);
	slab->pages[page].next = slab->empty;
	slab->empty = page;
	slab->resident--;
	pthread_mutex_unlock(&slab->lock);
}

void slab_give(struct slab *slab, uint32_t id)
{
	uint32_t page = id / SLAB_PIECES, bit = 1u << id % SLAB_PIECES;
	struct slab_page *entry = &slab->pages[page];
	bool empty;

	pthread_mutex_lock(&slab->lock);
	assert(entry->used & bit);
	if (entry->used == FULL)
		put_first(slab, page);
	entry->used &= ~bit;
	empty = !entry->used;
	if (empty)
		take_out(slab, page);
	slab->used--;
	pthread_mutex_unlock(&slab->lock);
	if (empty)
		give_page(slab, page);
}

struct slab_usage slab_usage(struct slab *slab)
{
	struct slab_usage usage;
	uint64_t entries;

	pthread_mutex_lock(&slab->lock);
	entries = slab->made * sizeof(*slab->pages);
	usage.pieces = slab->used;
	usage.bytes = slab->resident * PAGE_BYTES;
	if (slab->made > 1)
		usage.bytes += (entries + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	pthread_mutex_unlock(&slab->lock);
	return usage;
}
