/* SPDX-License-Identifier: MIT */
/*
 * Description: mlockall locks all that is mapped, also what others have mapped in the program. What
 * is locked stays, all has its bytes, and after munlockall all leaves as before.
 */
#include "hazard.h"

#define PAGES 1024ul

static void expect_leave(const char *at, size_t but, const char *what)
{
	double end = seconds_now() + 40;

	do
		press();
	while (under_vswap() && resident(at, PAGES) > but && seconds_now() < end);
	expect(!under_vswap() || resident(at, PAGES) <= but, "%s stays: %zu pages of %lu", what,
	       resident(at, PAGES), PAGES);
}

static void lock_all(char *at, int flags)
{
	char *later;

	fill(at, PAGES, 1);
	evict_most(at, PAGES);
	if (mlockall(MCL_CURRENT | flags))
		skip("mlockall: %m");
	check(at, PAGES, 1, "locked memory");
	later = anonymous(PAGES);
	fill(later, PAGES, 2);
	for (int i = 0; i < 3; i++)
		press();
	expect(resident(at, PAGES) == PAGES, "%zu locked pages have left",
	       PAGES - resident(at, PAGES));
	check(later, PAGES, 2, "memory from after mlockall");
	expect(!munlockall(), "munlockall: %m");
	expect_leave(at, 16, "memory that was locked");
	check(at, PAGES, 1, "memory that was locked");
	munmap(later, PAGES * PAGE);
}

/* While pages are on their way: those that are there still have not left. */
static void lock_again(char *at)
{
	for (int i = 0; i < 5; i++) {
		fill(at, PAGES, 3);
		if (mlockall(MCL_CURRENT))
			skip("mlockall: %m");
		pause_ms(20);
		munlockall();
	}
	expect_leave(at, 16, "memory that was locked often");
	check(at, PAGES, 3, "memory that was locked often");
}

int main(void)
{
	char *at = anonymous(PAGES);

	hazard_start();
	lock_all(at, 0);
	lock_again(at);
#ifdef MCL_ONFAULT
	lock_all(at, MCL_ONFAULT);
#endif
	return 0;
}
