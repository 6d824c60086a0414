/* SPDX-License-Identifier: MIT */
/*
 * Description: threads map, fill, check and unmap; the kernel gives the same addresses out again
 * at once, to the same or to another thread, while faults and evictions of the old mapping are
 * still under way. Fresh memory reads as zeros, always.
 */
#include "hazard.h"

#define THREADS 6

static atomic_bool stop;

static void *hammer(void *argument)
{
	uint64_t random = mix((uintptr_t)argument + 77);

	while (!stop) {
		size_t pages;
		char *at;

		random = mix(random);
		pages = random % 8 ? 1 + random % 128 : 1 + random % 1500;
		at = anonymous(pages);
		check_zero(at, pages, "fresh memory");
		fill(at, pages, random);
		if (random >> 30 & 1)
			pause_ms(random % 32);
		check(at, pages, random, "own memory");
		if (random >> 31 & 1 && pages > 2) {
			/* A hole first: the neighbours stay. */
			expect(!munmap(at + PAGE, (pages - 2) * PAGE), "munmap: %m");
			expect(page_is(at, random, 0), "the page before a hole");
			expect(page_is(at + (pages - 1) * PAGE, random, pages - 1),
			       "the page behind a hole");
			munmap(at, PAGE);
			munmap(at + (pages - 1) * PAGE, PAGE);
			continue;
		}
		expect(!munmap(at, pages * PAGE), "munmap: %m");
	}
	return argument;
}

int main(void)
{
	hazard_start();
	press_beside(hammer, THREADS, &stop, 6);
	return 0;
}
