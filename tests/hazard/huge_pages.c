/* SPDX-License-Identifier: MIT */
/*
 * Description: memory in transparent huge pages is swapped, changed in single words, partly
 * dropped, split by mprotect and brought back.
 */
#include "hazard.h"

#define HUGE_BYTES (2ul << 20)
#define PAGES	   (4 * HUGE_BYTES / PAGE)

int main(void)
{
	char *room = anonymous(PAGES + HUGE_BYTES / PAGE);
	char *at = (char *)(((uintptr_t)room + HUGE_BYTES - 1) & ~(HUGE_BYTES - 1));

	hazard_start();
	if (madvise(at, PAGES * PAGE, MADV_HUGEPAGE))
		skip("MADV_HUGEPAGE: %m");
	for (uint64_t round = 1; round <= 4; round++) {
		fill(at, PAGES, round);
		evict_most(at, PAGES);
		check(at, PAGES, round, "huge pages");
		expect(!madvise(at + 100 * PAGE, 50 * PAGE, MADV_DONTNEED), "madvise: %m");
		check_zero(at + 100 * PAGE, 50, "a dropped part of a huge page");
		expect(!mprotect(at + 300 * PAGE, 10 * PAGE, PROT_READ), "mprotect: %m");
		press();
		for (size_t p = 0; p < PAGES; p++)
			if (p < 100 || p >= 150)
				expect(page_is(at + p * PAGE, round, p), "page %zu", p);
		expect(!mprotect(at + 300 * PAGE, 10 * PAGE, PROT_READ | PROT_WRITE),
		       "mprotect: %m");
	}
	return 0;
}
