/* SPDX-License-Identifier: MIT */
/* A mapping that moves about, and what is in it. */
#ifndef TESTS_PIECE_H
#define TESTS_PIECE_H

#include "hazard.h"

struct piece {
	char *at;
	size_t pages, filled; /* those behind are zeros */
	uint64_t seed;
};

static inline struct piece piece_new(size_t pages, uint64_t seed)
{
	struct piece piece = {anonymous(pages), pages, pages, seed};

	fill(piece.at, pages, seed);
	return piece;
}

/* All of it is right, and goes. */
static inline void piece_end(struct piece *piece)
{
	check(piece->at, piece->filled, piece->seed, "a moved piece");
	check_zero(piece->at + piece->filled * PAGE, piece->pages - piece->filled,
		   "what it grew by");
	munmap(piece->at, piece->pages * PAGE);
}

/* It has so many pages from now on. */
static inline void piece_set_pages(struct piece *piece, size_t pages)
{
	piece->pages = pages;
	if (piece->filled > pages)
		piece->filled = pages;
}

static inline void piece_resize(struct piece *piece, size_t pages)
{
	piece->at = mremap(piece->at, piece->pages * PAGE, pages * PAGE, MREMAP_MAYMOVE);
	expect(piece->at != MAP_FAILED, "mremap from %zu to %zu pages: %m", piece->pages, pages);
	piece_set_pages(piece, pages);
}

/* Moves on while the empty mapping stays, and then drops that. */
static inline void piece_leave(struct piece *piece)
{
	char *old = piece->at;
	size_t bytes = piece->pages * PAGE;

	piece->at = mremap(old, bytes, bytes, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	expect(piece->at != MAP_FAILED, "mremap DONTUNMAP: %m");
	munmap(old, bytes);
}

#endif
