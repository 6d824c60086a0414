/* SPDX-License-Identifier: MIT */
/*
 * Description: guards (MADV_GUARD_INSTALL) drop swapped pages, and no event tells. After they are
 * removed the pages read as zeros, the others as before; in a child and after mremap as well.
 */
#include "hazard.h"

#define PAGES 1024

static void advise(char *at, size_t pages, int what)
{
	if (madvise(at, pages * PAGE, what))
		skip("this kernel has no guards: %m");
}

/* Every third page became a guard, and is none any more. */
static void check_all(const char *at, const char *what)
{
	for (size_t p = 0; p < PAGES; p++) {
		const char *page = at + p * PAGE;

		if (p % 3)
			expect(page_is(page, 4, p), "%s: page %zu is %s", what, p,
			       page_is_zero(page) ? "zeros" : "wrong");
		else
			expect(page_is_zero(page), "%s: page %zu is not zeros after its guard",
			       what, p);
	}
}

static void child_sees(const char *at)
{
	pid_t pid = fork();

	expect(pid >= 0, "fork: %m");
	if (!pid) {
		check_all(at, "the child");
		_exit(0);
	}
	wait_good(pid, "the child");
}

int main(void)
{
	char *at = anonymous(PAGES), *to;

	hazard_start();
	fill(at, PAGES, 4);
	evict_most(at, PAGES);
	for (size_t p = 0; p < PAGES; p += 3)
		advise(at + p * PAGE, 1, MADV_GUARD_INSTALL);
	press();
	to = mremap(at, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		    anonymous(PAGES));
	expect(to != MAP_FAILED, "mremap: %m");
	for (size_t p = 0; p < PAGES; p += 3)
		advise(to + p * PAGE, 1, MADV_GUARD_REMOVE);
	child_sees(to);
	check_all(to, "the parent");
	return 0;
}
