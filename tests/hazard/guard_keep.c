/* SPDX-License-Identifier: MIT */
/*
 * Description: guards (MADV_GUARD_INSTALL) stay guards while the pages around them are touched for
 * the first time, leave, and come back in runs; in a child and after mremap as well.
 */
#include "hazard.h"
#include <setjmp.h>

#define PAGES 1024
#define EVERY 16

static sigjmp_buf back;

static void caught(int number)
{
	siglongjmp(back, number);
}

static bool is_guard(const volatile char *at)
{
	if (sigsetjmp(back, 1))
		return true;
	(void)*at;
	return false;
}

static void check_guards(const char *at, const char *when)
{
	for (size_t p = EVERY - 1; p < PAGES; p += EVERY)
		expect(is_guard(at + p * PAGE), "%s: page %zu is no guard any more", when, p);
}

static void go_through(char *at, bool write, const char *when)
{
	for (size_t p = 0; p < PAGES; p++) {
		if (p % EVERY == EVERY - 1)
			continue;
		if (write)
			fill_page(at + p * PAGE, 7, p);
		else
			expect(page_is(at + p * PAGE, 7, p), "%s: page %zu is %s", when, p,
			       page_is_zero(at + p * PAGE) ? "zeros" : "wrong");
	}
	check_guards(at, when);
}

int main(void)
{
	char *at = anonymous(PAGES), *to;
	pid_t pid;

	hazard_start();
	signal(SIGSEGV, caught);
	press();
	for (size_t p = EVERY - 1; p < PAGES; p += EVERY)
		if (madvise(at + p * PAGE, PAGE, MADV_GUARD_INSTALL))
			skip("this kernel has no guards: %m");
	go_through(at, true, "first touched");
	evict_most(at, PAGES);
	go_through(at, false, "brought in");
	evict_most(at, PAGES);
	pid = fork();
	expect(pid >= 0, "fork: %m");
	if (!pid) {
		go_through(at, false, "in the child");
		_exit(0);
	}
	wait_good(pid, "the child");
	to = mremap(at, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		    anonymous(PAGES));
	expect(to != MAP_FAILED, "mremap: %m");
	evict_most(to, PAGES);
	go_through(to, false, "moved");
	return 0;
}
