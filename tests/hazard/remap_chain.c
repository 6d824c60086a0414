/* SPDX-License-Identifier: MIT */
/*
 * Description: swapped mappings are moved, shrunk, grown and moved on, again and again onto
 * addresses that have just become free, and nothing is touched in between: no fault orders the
 * events. In the end every page is where its mapping is.
 */
#include "hazard.h"

#define PIECES 24
#define PAGES  96
#define STEPS  400
#define ROUNDS 4

struct piece {
	char *at;
	size_t pages, filled; /* those behind are zeros */
	uint64_t seed;
};

static uint64_t state = 1;

static size_t any(size_t below)
{
	return (state = mix(state)) % below;
}

/* Free now, and one page off where the kernel would put it. */
static char *free_place(size_t pages)
{
	char *place = anonymous(pages + 1);

	munmap(place, (pages + 1) * PAGE);
	return place;
}

static void shrink_to(struct piece *piece, size_t pages)
{
	piece->pages = pages;
	if (piece->filled > pages)
		piece->filled = pages;
}

static void move_to_place(struct piece *piece, size_t pages)
{
	char *place = free_place(pages);

	expect(mremap(piece->at, piece->pages * PAGE, pages * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		      place) == place,
	       "mremap fixed: %m");
	piece->at = place;
	shrink_to(piece, pages);
}

static void leave_the_old(struct piece *piece)
{
	char *old = piece->at;
	size_t bytes = piece->pages * PAGE;

	piece->at = mremap(old, bytes, bytes, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	expect(piece->at != MAP_FAILED, "mremap DONTUNMAP: %m");
	munmap(old, bytes);
}

static void grow(struct piece *piece)
{
	size_t pages = piece->pages + 1 + any(PAGES / 4);

	piece->at = mremap(piece->at, piece->pages * PAGE, pages * PAGE, MREMAP_MAYMOVE);
	expect(piece->at != MAP_FAILED, "mremap to grow: %m");
	piece->pages = pages;
}

static void step(struct piece *piece)
{
	size_t half = (piece->pages + 1) / 2;

	switch (any(6)) {
	case 0:
		move_to_place(piece, piece->pages);
		break;
	case 1:
		move_to_place(piece, half);
		leave_the_old(piece);
		break;
	case 2:
		leave_the_old(piece);
		break;
	case 3:
		munmap(piece->at + half * PAGE, (piece->pages - half) * PAGE);
		shrink_to(piece, half);
		leave_the_old(piece);
		break;
	case 4:
		expect(mremap(piece->at, piece->pages * PAGE, half * PAGE, 0) == piece->at,
		       "to shrink: %m");
		shrink_to(piece, half);
		move_to_place(piece, half);
		break;
	case 5:
		grow(piece);
		break;
	}
}

int main(void)
{
	static struct piece pieces[PIECES];

	hazard_start();
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		for (size_t i = 0; i < PIECES; i++) {
			pieces[i] = (struct piece){anonymous(PAGES), PAGES, PAGES, round * 100 + i};
			fill(pieces[i].at, PAGES, pieces[i].seed);
		}
		evict_most(pieces[0].at, PAGES);
		for (size_t i = 0; i < STEPS; i++)
			step(&pieces[any(PIECES)]);
		for (size_t i = 0; i < PIECES; i++) {
			struct piece *piece = &pieces[i];

			check(piece->at, piece->filled, piece->seed, "a moved piece");
			check_zero(piece->at + piece->filled * PAGE, piece->pages - piece->filled,
				   "what it grew by");
			munmap(piece->at, piece->pages * PAGE);
		}
	}
	return 0;
}
