/* SPDX-License-Identifier: MIT */
/*
 * Description: a process forks while another thread of it drops pages, and both go on with the same
 * step at once: a mapping that cannot grow in its place moves, to the same addresses in each. Its
 * swapped pages stay, in both.
 */
#include "hazard.h"

#define AREAS 48
#define PAGES 32

static char *area[AREAS];
static atomic_bool stop;

/* To twice its size; the pages behind it are taken. */
static char *grow(char *at)
{
	char *to = mremap(at, PAGES * PAGE, 2 * PAGES * PAGE, MREMAP_MAYMOVE);

	expect(to != MAP_FAILED && to != at, "mremap: %m");
	return to;
}

int main(void)
{
	pthread_t thread;

	hazard_start();
	for (size_t n = 0; n < AREAS; n++) {
		area[n] = anonymous(PAGES + 1);
		expect(!mprotect(area[n] + PAGES * PAGE, PAGE, PROT_NONE), "mprotect: %m");
		fill(area[n], PAGES, n);
	}
	for (int i = 0; i < 3; i++)
		press();
	expect(!pthread_create(&thread, NULL, drop_until, &stop), "pthread_create");
	for (size_t n = 0; n < AREAS; n++) {
		pid_t pid = fork();

		expect(pid >= 0, "fork: %m");
		area[n] = grow(area[n]);
		check(area[n], PAGES, n, pid ? "what the parent moved" : "what the child moved");
		if (!pid)
			_exit(0);
		wait_good(pid, "a child");
	}
	stop = true;
	pthread_join(thread, NULL);
	return 0;
}
