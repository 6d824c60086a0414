/* SPDX-License-Identifier: MIT */
/*
 * Description: a second process shares the program's memory (CLONE_VM without CLONE_THREAD):
 * stopping the program's threads does not stop it. Both use the same swapped pages.
 */
#include "hazard.h"
#include <sched.h>

#define PAGES 2048

static char *at;
static atomic_bool stop, bad;

static int sharer(void *argument)
{
	(void)argument;
	while (!stop) {
		for (size_t p = 1; p < PAGES; p += 2)
			if (!page_is(at + p * PAGE, 23, p))
				bad = true;
		for (size_t p = 1; p < PAGES; p += 2)
			fill_page(at + p * PAGE, 23, p);
		madvise(at + 101 * PAGE, PAGE, MADV_DONTNEED);
		if (!page_is_zero(at + 101 * PAGE))
			bad = true;
		fill_page(at + 101 * PAGE, 23, 101);
	}
	return 0;
}

int main(void)
{
	char *stack = anonymous(64);
	double end = seconds_now() + 5;
	pid_t pid;

	hazard_start();
	at = anonymous(PAGES);
	fill(at, PAGES, 23);
	pid = clone(sharer, stack + 64 * PAGE, CLONE_VM | CLONE_FILES | CLONE_FS | SIGCHLD, NULL);
	expect(pid > 0, "clone: %m");
	while (seconds_now() < end) {
		press();
		for (size_t p = 0; p < PAGES; p += 2)
			expect(page_is(at + p * PAGE, 23, p), "page %zu", p);
		expect(!bad, "the other process saw wrong contents");
	}
	stop = true;
	wait_good(pid, "the process that shares the memory");
	expect(!bad, "the other process saw wrong contents");
	return 0;
}
