/* SPDX-License-Identifier: MIT */
/*
 * Description: locked memory stays: mlock of what is swapped brings it in, and it does not leave
 * before munlock. mlockall(MCL_FUTURE) as well.
 */
#include "hazard.h"

#define PAGES 512

int main(void)
{
	char *at = anonymous(PAGES), *more;

	hazard_start();
	fill(at, PAGES, 19);
	evict_most(at, PAGES);
	if (mlock(at, PAGES / 2 * PAGE))
		skip("mlock: %m");
	expect(resident(at, PAGES / 2) == PAGES / 2, "mlock left %zu pages out",
	       PAGES / 2 - resident(at, PAGES / 2));
	for (int i = 0; i < 5; i++) {
		press();
		expect(resident(at, PAGES / 2) == PAGES / 2, "%zu locked pages have left",
		       PAGES / 2 - resident(at, PAGES / 2));
	}
	check(at, PAGES, 19, "locked memory");
	munlock(at, PAGES * PAGE);
	evict_most(at, PAGES);
	check(at, PAGES, 19, "unlocked memory");
	if (mlockall(MCL_FUTURE))
		return 0;
	more = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (more == MAP_FAILED)
		return 0;
	fill(more, 64, 20);
	press();
	press();
	expect(resident(more, 64) == 64, "memory mapped under mlockall has left");
	check(more, 64, 20, "memory mapped under mlockall");
	return 0;
}
