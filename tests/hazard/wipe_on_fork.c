/* SPDX-License-Identifier: MIT */
/*
 * Description: a MADV_WIPEONFORK range that is swapped in the parent is empty in a child, and
 * whole in the parent; also when only a part of a mapping is so, and after KEEPONFORK.
 */
#include "hazard.h"

#define PAGES 64

static void child_sees(char *at, bool wiped)
{
	pid_t pid = fork();

	expect(pid >= 0, "fork: %m");
	if (pid)
		return wait_good(pid, "the child");
	check(at, 16, 1, "before the range, in the child");
	if (wiped) {
		check_zero(at + 16 * PAGE, 32, "the wiped range, in the child");
	} else {
		for (size_t p = 16; p < 48; p++)
			expect(page_is(at + p * PAGE, 1, p), "kept page %zu is wrong", p);
	}
	for (size_t p = 48; p < PAGES; p++)
		expect(page_is(at + p * PAGE, 1, p), "page %zu behind is wrong", p);
	_exit(0);
}

int main(void)
{
	char *at = anonymous(PAGES);

	hazard_start();
	for (int round = 0; round < 3; round++) {
		fill(at, PAGES, 1);
		expect(!madvise(at + 16 * PAGE, 32 * PAGE, MADV_WIPEONFORK), "WIPEONFORK: %m");
		must_evict(at, PAGES);
		child_sees(at, true);
		check(at, PAGES, 1, "the parent's");
		expect(!madvise(at + 16 * PAGE, 32 * PAGE, MADV_KEEPONFORK), "KEEPONFORK: %m");
		evict(at, PAGES);
		child_sees(at, false);
		check(at, PAGES, 1, "the parent's");
	}
	return 0;
}
