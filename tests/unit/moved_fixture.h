/* SPDX-License-Identifier: MIT */
/*
 * Memory of the test's own, under a real userfaultfd, and threads that change it; the test reads
 * their events and applies them as it likes.
 */
#ifndef TESTS_MOVED_FIXTURE_H
#define TESTS_MOVED_FIXTURE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <linux/userfaultfd.h>
#include "base/page.h"
#include "pager/attached/state.h"
#include "space/descriptor.h"
#include "space/space.h"

/* An area: its first page is there, the others have left, with marks. */
#define PAGES 4u
#define BYTES (PAGES * (uint64_t)PAGE_BYTES)
/* Places for areas, far from each other and from all else. */
#define BASE 0x280000000000ull
#define STEP (64ull << 20)
#define A    BASE
#define B    (BASE + STEP)
#define C    (BASE + 2 * STEP)
#define D    (BASE + 3 * STEP)
#define E    (BASE + 4 * STEP)
#define F    (BASE + 5 * STEP)

/* Threads, for apply_by, and looks: before all others, and after. */
#define ONE   1001
#define OTHER 1002
#define EARLY 1u
#define LATE  1000u

extern struct attached *attached;

int setup(void **state);
int teardown(void **state);

slot_t *slot_at(uint64_t place, unsigned int page);
/* What stands there of the area with that number. */
desc_t word_of(unsigned int area, unsigned int page);
void map_area(uint64_t place, unsigned int area);
/* An area that has left as a whole, without marks: the page table shows nothing of it. Its words
 * are those of the pages behind, without marks. */
void map_unseen(uint64_t place, unsigned int area);
/* An area that has grown: the second half was never touched, and we know nothing of it. */
void map_grown(uint64_t place, unsigned int area);
void check_area(uint64_t place, unsigned int area);
void check_nothing(uint64_t place);

/* Made by a thread of its own. */
struct call {
	pthread_t thread;
	uint64_t from, to; /* a move; 0: none */
	uint64_t unmap, bytes;
	bool refused, drop;
	bool grown;  /* twice as long */
	bool grows;  /* becomes twice as long */
	bool leaves; /* an empty mapping where it was */
};

/* When its event is there to be read, what it does is done (but for a drop). */
void begin(struct call *call);
struct uffd_msg next_event(void);
void wait_for_event(void);
void apply(const struct uffd_msg *message);
/* The same of a REMAP, as if that thread had sent it, which slept in its call since that look. */
void apply_by(const struct uffd_msg *message, pid_t thread, uint64_t since);
void read_and_apply(void);
/* Reads and applies until it is through: mremap sends one more, for what it left. */
void end(struct call *call);
/* A page that cannot be unmapped, right behind an area; for good. */
void seal_behind(uint64_t place);

#define NEEDS_USERFAULT(state) \
	if (!*(state))         \
	skip()

#endif
