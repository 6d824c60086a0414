/* SPDX-License-Identifier: MIT */
/*
 * Description: swapped mappings are moved, shrunk, grown and moved on, again and again onto
 * addresses that have just become free, and nothing is touched in between: no fault orders the
 * events. In the end every page is where its mapping is.
 */
#include "piece.h"

#define PIECES 24
#define PAGES  96
#define STEPS  400
#define ROUNDS 4

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

static void move_to_place(struct piece *piece, size_t pages)
{
	char *place = free_place(pages);

	expect(mremap(piece->at, piece->pages * PAGE, pages * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		      place) == place,
	       "mremap fixed: %m");
	piece->at = place;
	piece_set_pages(piece, pages);
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
		piece_leave(piece);
		break;
	case 2:
		piece_leave(piece);
		break;
	case 3:
		munmap(piece->at + half * PAGE, (piece->pages - half) * PAGE);
		piece_set_pages(piece, half);
		piece_leave(piece);
		break;
	case 4:
		expect(mremap(piece->at, piece->pages * PAGE, half * PAGE, 0) == piece->at,
		       "to shrink: %m");
		piece_set_pages(piece, half);
		move_to_place(piece, half);
		break;
	case 5:
		piece_resize(piece, piece->pages + 1 + any(PAGES / 4));
		break;
	}
}

int main(void)
{
	static struct piece pieces[PIECES];

	hazard_start();
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		for (size_t i = 0; i < PIECES; i++)
			pieces[i] = piece_new(PAGES, round * 100 + i);
		evict_most(pieces[0].at, PAGES);
		for (size_t i = 0; i < STEPS; i++)
			step(&pieces[any(PIECES)]);
		for (size_t i = 0; i < PIECES; i++)
			piece_end(&pieces[i]);
	}
	return 0;
}
