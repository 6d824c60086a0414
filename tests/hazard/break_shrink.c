/* SPDX-License-Identifier: MIT */
/*
 * Description: the heap (brk) grows, is swapped, shrinks and grows again: what was given back
 * reads as zeros, what was kept is right.
 */
#include "hazard.h"

#define PAGES 1024

int main(void)
{
	hazard_start();
	press(); /* whatever malloc wants, it has */
	for (uint64_t round = 1; round <= 5; round++) {
		uintptr_t end = (uintptr_t)sbrk(0);
		char *at;

		expect(sbrk(PAGE - end % PAGE) != (void *)-1, "sbrk: %m");
		at = sbrk(PAGES * PAGE);
		expect(at != (void *)-1, "sbrk: %m");
		check_zero(at, PAGES, "the grown heap");
		fill(at, PAGES, round);
		evict_most(at, PAGES);
		expect(sbrk(-(intptr_t)(PAGES / 2 * PAGE)) != (void *)-1, "sbrk: %m");
		expect(sbrk(PAGES / 2 * PAGE) == at + PAGES / 2 * PAGE, "sbrk: %m");
		check(at, PAGES / 2, round, "the kept heap");
		check_zero(at + PAGES / 2 * PAGE, PAGES / 2, "the heap that went and came");
		expect(sbrk(-(intptr_t)(PAGES * PAGE)) != (void *)-1, "sbrk: %m");
	}
	return 0;
}
