/* SPDX-License-Identifier: MIT */
/*
 * Small tables: pieces of 128 bytes, 32 to a page. A page of which no piece is used is given back.
 *
 * A piece's id is its place; ids below SLAB_FIRST are not used. Pieces in use stay where they are,
 * and may be read without the lock, which is of the lists only.
 */
#ifndef SPACE_SLAB_H
#define SPACE_SLAB_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include "base/page.h"

#define SLAB_PIECE_BYTES 128u
#define SLAB_PIECES	 ((uint32_t)(PAGE_BYTES / SLAB_PIECE_BYTES)) /* in a page */
#define SLAB_FIRST	 SLAB_PIECES

struct slab_page {
	uint32_t used;		 /* a bit a piece */
	uint32_t next, previous; /* of the pages with room; of those given back: next */
};

struct slab {
	char *map;
	struct slab_page *pages;
	uint32_t limit; /* most pieces */
	/* Called for a page that is about to be given back, which makes it zeros; or NULL. */
	void (*prepare)(void *page);
	pthread_mutex_t lock;
	_Atomic uint32_t made; /* pages from there on were never used */
	uint32_t room, empty;  /* the first page with room; the first that was given back */
	uint32_t used;	       /* pieces */
	uint32_t resident;     /* pages */
};

/* 0 or -ENOMEM; to be closed in either case. */
int slab_open(struct slab *slab, uint32_t limit, void (*prepare)(void *page));
void slab_close(struct slab *slab);

/* A piece of zeros, or 0: none is left. */
uint32_t slab_take(struct slab *slab);
/* It is zeros again. */
void slab_give(struct slab *slab, uint32_t id);

static inline void *slab_at(const struct slab *slab, uint32_t id)
{
	return slab->map + (size_t)id * SLAB_PIECE_BYTES;
}

/* Ids are below it. */
static inline uint32_t slab_end(const struct slab *slab)
{
	return atomic_load_explicit(&slab->made, memory_order_acquire) * SLAB_PIECES;
}

/* Ids are below it, however many pieces are taken. */
static inline uint64_t slab_id_limit(const struct slab *slab)
{
	return SLAB_FIRST + ((uint64_t)slab->limit + SLAB_PIECES - 1) / SLAB_PIECES * SLAB_PIECES;
}

struct slab_usage {
	uint32_t pieces; /* in use */
	uint64_t bytes;	 /* resident, with what is kept of each page */
};
struct slab_usage slab_usage(struct slab *slab);

#endif
