/* SPDX-License-Identifier: MIT */
/*
 * Description: two processes with one memory (CLONE_VM without CLONE_THREAD) move, grow and shrink
 * mappings of their own, onto addresses that the other has just left. Each has one thread, and
 * still their events overtake each other.
 */
#include "piece.h"
#include <sched.h>

#define TWINS  2
#define PIECES 8
#define PAGES  64
#define STEPS  700

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

static int move_about(void *argument)
{
	struct twin *twin = argument;

	for (size_t i = 0; i < PIECES; i++)
		twin->pieces[i] = piece_new(PAGES, any(twin, 1u << 30));
	for (unsigned int step = 0; step < STEPS; step++) {
		struct piece *piece = &twin->pieces[any(twin, PIECES)];

		switch (any(twin, 8)) {
		case 0:
			piece_end(piece);
			*piece = piece_new(PAGES, any(twin, 1u << 30));
			break;
		case 1:
		case 2:
			piece_resize(piece, 1 + any(twin, piece->pages));
			break;
		case 3:
		case 4:
			piece_resize(piece, piece->pages + any(twin, PAGES));
			break;
		default:
			piece_leave(piece);
		}
	}
	for (size_t i = 0; i < PIECES; i++)
		piece_end(&twin->pieces[i]);
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
