/* SPDX-License-Identifier: MIT */
/*
 * Description: threads drop pages with MADV_DONTNEED all the time while the same pages are being
 * evicted. A dropped page reads as zeros, whoever was about to move it; a written one holds
 * what was written.
 */
#include "hazard.h"

#define THREADS 4
#define PAGES	1024

static atomic_bool stop;

static void *hammer(void *argument)
{
	uint64_t seed = (uintptr_t)argument, random = mix(seed);
	char *at = anonymous(PAGES);

	while (!stop) {
		size_t count, first;

		random = mix(random);
		count = random % 2 ? PAGES / 2 : 1 + random % 64;
		first = (random >> 20) % (PAGES - count);
		for (size_t p = first; p < first + count; p++)
			fill_page(at + p * PAGE, seed, p);
		if (random >> 40 & 1)
			pause_ms(random % 16);
		for (size_t p = first; p < first + count; p++)
			expect(page_is(at + p * PAGE, seed, p), "a written page is wrong");
		expect(!madvise(at + first * PAGE, count * PAGE, MADV_DONTNEED), "madvise: %m");
		check_zero(at + first * PAGE, count, "after MADV_DONTNEED");
	}
	munmap(at, PAGES * PAGE);
	return argument;
}

int main(void)
{
	hazard_start();
	press_beside(hammer, THREADS, &stop, 6);
	return 0;
}
