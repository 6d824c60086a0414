/* SPDX-License-Identifier: MIT */
/*
 * Description: MADV_FREE'd pages, some swapped before, some after: each reads as what it was or as
 * zeros until it is written, and then as what was written; never as something older.
 */
#include "hazard.h"

#define PAGES 2048

int main(void)
{
	char *at = anonymous(PAGES);

	hazard_start();
	for (uint64_t round = 1; round <= 6; round++) {
		fill(at, PAGES, round);
		if (round % 2)
			evict_most(at, PAGES);
		expect(!madvise(at, PAGES * PAGE, MADV_FREE), "MADV_FREE: %m");
		if (round % 3 == 0)
			press();
		for (size_t p = 0; p < PAGES; p += 2)
			fill_page(at + p * PAGE, round + 50, p);
		press();
		for (size_t p = 0; p < PAGES; p++) {
			const char *page = at + p * PAGE;

			if (p % 2 == 0)
				expect(page_is(page, round + 50, p),
				       "round %d: page %zu was written after MADV_FREE and is %s",
				       (int)round, p, page_is_zero(page) ? "zeros" : "wrong");
			else
				expect(page_is_zero(page) || page_is(page, round, p),
				       "a freed page holds something else");
		}
	}
	return 0;
}
