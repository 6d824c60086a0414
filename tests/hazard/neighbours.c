/* SPDX-License-Identifier: MIT */
/*
 * Description: an area grows by new mappings right behind it, which the kernel merges into one.
 * Under vswap those that were touched before they were registered stay apart for good, and mremap over
 * several says EFAULT (a limit that the README states). It must never move half of it, or lose a page.
 */
#include "hazard.h"

#define PAGES 1024
#define STEP  64

int main(void)
{
	hazard_start();
	for (uint64_t round = 1; round <= 3; round++) {
		char *room = anonymous(4 * PAGES), *moved = MAP_FAILED;
		double end;

		munmap(room, 4 * PAGES * PAGE);
		for (size_t p = 0; p < PAGES; p += STEP) {
			char *at = mmap(room + p * PAGE, STEP * PAGE, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

			expect(at == room + p * PAGE, "mmap behind: %m");
			for (size_t i = p; i < p + STEP; i++)
				fill_page(room + i * PAGE, round, i);
			if (p % (4 * STEP) == 0)
				press();
		}
		end = seconds_now() + 0.5;
		while (moved == MAP_FAILED && seconds_now() < end) {
			moved = mremap(room, PAGES * PAGE, 2 * PAGES * PAGE, MREMAP_MAYMOVE);
			if (moved == MAP_FAILED) {
				expect(errno == EFAULT, "mremap: %m");
				pause_ms(20);
			}
		}
		if (moved == MAP_FAILED) {
			check(room, PAGES, round, "the area that could not move");
			munmap(room, PAGES * PAGE);
			continue;
		}
		check(moved, PAGES, round, "the moved area");
		check_zero(moved + PAGES * PAGE, PAGES, "what it grew by");
		munmap(moved, 2 * PAGES * PAGE);
	}
	return 0;
}
