/* SPDX-License-Identifier: MIT */
/*
 * Description: a MADV_WIPEONFORK range that is swapped in the parent is empty in a child, and
 * whole in the parent; also when only a part of a mapping is so, and after KEEPONFORK. A child
 * that makes a range so itself, before its first fault, keeps what is there.
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

/* The child touches nothing that is swapped before it has changed the range; fork(3) might. */
static void child_changes(char *at, bool wiped)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	expect(pid >= 0, "clone: %m");
	if (pid)
		return wait_good(pid, "the child");
	expect(!syscall(SYS_madvise, at + 16 * PAGE, 32 * PAGE, MADV_WIPEONFORK),
	       "madvise in the child: %m");
	if (wiped)
		check_zero(at + 16 * PAGE, 32, "the wiped range, made so again");
	for (size_t p = 16; p < 48 && !wiped; p++)
		expect(page_is(at + p * PAGE, 1, p), "page %zu of what the child made so", p);
	_exit(0);
}

/* All of it swapped, or with a page that is resident. */
static void changed_by_children(char *at)
{
	for (int round = 0; round < 4; round++) {
		fill(at, PAGES, 1);
		expect(!madvise(at + 16 * PAGE, 32 * PAGE,
				round & 1 ? MADV_WIPEONFORK : MADV_KEEPONFORK),
		       "madvise: %m");
		must_evict(at, PAGES);
		if (round & 2)
			expect(page_is(at + 30 * PAGE, 1, 30), "page 30 is wrong");
		child_changes(at, round & 1);
	}
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
	changed_by_children(at);
	return 0;
}
