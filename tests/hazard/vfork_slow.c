/* SPDX-License-Identifier: MIT */
/*
 * Description: a vfork child takes its time in its parent's swapped memory before it calls exec;
 * the parent's thread sleeps meanwhile, its other threads go on.
 */
#include "hazard.h"

#define PAGES 2048

static char *at;
static atomic_bool stop;

static void *other(void *argument)
{
	while (!stop)
		press();
	return argument;
}

int main(void)
{
	pthread_t thread;

	hazard_start();
	at = anonymous(PAGES);
	fill(at, PAGES, 22);
	evict_most(at, PAGES);
	expect(!pthread_create(&thread, NULL, other, NULL), "pthread_create");
	for (int round = 0; round < 5; round++) {
		pid_t pid = vfork();

		if (pid == 0) {
			for (size_t p = 0; p < PAGES; p++)
				if (!page_is(at + p * PAGE, 22, p))
					_exit(3);
			execl("/bin/true", "true", (char *)NULL);
			_exit(4);
		}
		expect(pid > 0, "vfork: %m");
		wait_good(pid, "the vfork child");
		check(at, PAGES, 22, "after vfork");
	}
	stop = true;
	pthread_join(thread, NULL);
	return 0;
}
