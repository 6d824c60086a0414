/* SPDX-License-Identifier: MIT */
/*
 * Description: while pages leave, another thread forks without end: then the kernel lets nobody
 * mark them. Guards drop some of them a moment later, and these read as zeros.
 */
#include "hazard.h"

#define PAGES  4096
#define ROUNDS 4

static atomic_bool stop;

static void *forks(void *argument)
{
	while (!stop) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		expect(pid > 0, "fork: %m");
		wait_good(pid, "a child");
	}
	return argument;
}

/* How many of the pages that guards have dropped have bytes still. */
static size_t guard_half(char *at)
{
	size_t old = 0;

	for (size_t p = 0; p < PAGES; p += 2)
		if (madvise(at + p * PAGE, PAGE, MADV_GUARD_INSTALL))
			skip("this kernel has no guards: %m");
	for (size_t p = 0; p < PAGES; p += 2)
		expect(!madvise(at + p * PAGE, PAGE, MADV_GUARD_REMOVE), "guard: %m");
	for (size_t p = 0; p < PAGES; p++)
		if (p % 2)
			expect(page_is(at + p * PAGE, 5, p), "page %zu is wrong", p);
		else
			old += !page_is_zero(at + p * PAGE);
	return old;
}

int main(void)
{
	pthread_t thread;
	size_t old = 0;

	hazard_start();
	expect(!pthread_create(&thread, NULL, forks, NULL), "pthread_create");
	for (int round = 0; round < ROUNDS; round++) {
		char *at = anonymous(PAGES);

		fill(at, PAGES, 5);
		press();
		pause_ms(1000);
		old += guard_half(at);
		munmap(at, PAGES * PAGE);
	}
	stop = true;
	pthread_join(thread, NULL);
	expect(!old, "%zu pages have their bytes still, after their guards", old);
	return 0;
}
