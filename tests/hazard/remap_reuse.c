/* SPDX-License-Identifier: MIT */
/*
 * Description: swapped memory moves by mremap (fixed, grown, shrunk, DONTUNMAP) and something else
 * comes to the old addresses. Data follows its mapping, the old place is empty.
 */
#include "hazard.h"

#define PAGES 512

int main(void)
{
	hazard_start();
	for (uint64_t round = 1; round <= 4; round++) {
		char *from = anonymous(PAGES), *to = anonymous(2 * PAGES), *fresh, *grown;

		fill(from, PAGES, round);
		fill(to, 2 * PAGES, round + 100);
		evict_most(from, PAGES);
		/* Over the middle of other swapped memory. */
		expect(mremap(from, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			      to + PAGES / 2 * PAGE) == to + PAGES / 2 * PAGE,
		       "mremap fixed: %m");
		fresh = mmap(from, PAGES * PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		expect(fresh == from, "the old place is not free: %m");
		check_zero(fresh, PAGES, "the old place");
		fill(fresh, PAGES, round + 200);
		check(to, PAGES / 2, round + 100, "before the moved");
		check(to + PAGES / 2 * PAGE, PAGES, round, "the moved");
		for (size_t p = PAGES + PAGES / 2; p < 2 * PAGES; p++)
			expect(page_is(to + p * PAGE, round + 100, p), "behind the moved");
		evict_most(fresh, PAGES);
		grown = mremap(fresh, PAGES * PAGE, 3 * PAGES * PAGE, MREMAP_MAYMOVE);
		expect(grown != MAP_FAILED, "mremap to grow: %m");
		check(grown, PAGES, round + 200, "the grown");
		check_zero(grown + PAGES * PAGE, 2 * PAGES, "what it grew by");
		evict_most(grown, 3 * PAGES);
		expect(mremap(grown, 3 * PAGES * PAGE, PAGES / 2 * PAGE, 0) == grown,
		       "to shrink: %m");
		expect(mremap(grown, PAGES / 2 * PAGE, PAGES * PAGE, MREMAP_MAYMOVE) != MAP_FAILED,
		       "to grow again: %m");
		fresh = mremap(to, PAGES / 2 * PAGE, PAGES / 2 * PAGE,
			       MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
		expect(fresh != MAP_FAILED, "mremap DONTUNMAP: %m");
		check(fresh, PAGES / 2, round + 100, "moved with DONTUNMAP");
		check_zero(to, PAGES / 2, "left by DONTUNMAP");
		munmap(to, 2 * PAGES * PAGE);
		munmap(fresh, PAGES / 2 * PAGE);
	}
	return 0;
}
