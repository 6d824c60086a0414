/* SPDX-License-Identifier: MIT */
/*
 * Description: two processes with one memory (CLONE_VM without CLONE_THREAD) move, grow and shrink
 * mappings of their own, onto addresses that the other has just left. Each has one thread, and
 * still their events overtake each other.
 */
#include "hazard.h"
#include <sched.h>

#define TWINS  2
#define PIECES 8
#define PAGES  64
#define STEPS  700

struct piece {
	char *at;
	size_t pages, filled; /* those behind are zeros */
	uint64_t seed;
};

struct twin {
	uint64_t state;
	struct piece pieces[PIECES];
	char padding[PAGE];
};

static struct twin twins[TWINS];

static size_t any(struct twin *twin, size_t below)
{
	return (twin->state = mix(twin->state)) % below;
}

static void begin(struct twin *twin, struct piece *piece)
{
	*piece = (struct piece){anonymous(PAGES), PAGES, PAGES, any(twin, 1u << 30)};
	fill(piece->at, PAGES, piece->seed);
}

static void end(struct piece *piece)
{
	check(piece->at, piece->filled, piece->seed, "a moved piece");
	check_zero(piece->at + piece->filled * PAGE, piece->pages - piece->filled,
		   "what it grew by");
	munmap(piece->at, piece->pages * PAGE);
}

static void resize(struct piece *piece, size_t pages)
{
	piece->at = mremap(piece->at, piece->pages * PAGE, pages * PAGE, MREMAP_MAYMOVE);
	expect(piece->at != MAP_FAILED, "mremap from %zu to %zu pages: %m", piece->pages, pages);
	piece->pages = pages;
	if (piece->filled > pages)
		piece->filled = pages;
}

static void leave_the_old(struct piece *piece)
{
	char *old = piece->at;
	size_t bytes = piece->pages * PAGE;

	piece->at = mremap(old, bytes, bytes, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	expect(piece->at != MAP_FAILED, "mremap DONTUNMAP: %m");
	munmap(old, bytes);
}

static int move_about(void *argument)
{
	struct twin *twin = argument;

	for (size_t i = 0; i < PIECES; i++)
		begin(twin, &twin->pieces[i]);
	for (unsigned int step = 0; step < STEPS; step++) {
		struct piece *piece = &twin->pieces[any(twin, PIECES)];

		switch (any(twin, 8)) {
		case 0:
			end(piece);
			begin(twin, piece);
			break;
		case 1:
		case 2:
			resize(piece, 1 + any(twin, piece->pages));
			break;
		case 3:
		case 4:
			resize(piece, piece->pages + any(twin, PAGES));
			break;
		default:
			leave_the_old(piece);
		}
	}
	for (size_t i = 0; i < PIECES; i++)
		end(&twin->pieces[i]);
	return 0;
}

int main(void)
{
	pid_t pids[TWINS];

	hazard_start();
	press();
	for (unsigned int i = 0; i < TWINS; i++) {
		char *stack = anonymous(64);

		twins[i].state = mix(i + 1);
		pids[i] = clone(move_about, stack + 64 * PAGE, CLONE_VM | SIGCHLD, &twins[i]);
		expect(pids[i] > 0, "clone: %m");
	}
	press();
	for (unsigned int i = 0; i < TWINS; i++)
		wait_good(pids[i], "a process that shares the memory");
	return 0;
}
