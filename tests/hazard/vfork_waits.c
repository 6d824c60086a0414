/* SPDX-License-Identifier: MIT */
/*
 * Description: a thread that waits in the kernel for its vfork child cannot be stopped; the others
 * are not made to wait for that. A machine that is slow may hold them up, too: three tries.
 */
#include "hazard.h"

#define TRIES	     3
#define CHILD_MS     4000
#define WORST_GAP    2.0 /* seconds; who waits to the end of an injection's patience takes three */
#define MEMORY_PAGES (2 * BALLAST_PAGES)

static atomic_bool waits;

static void *wait_for_child(void *argument)
{
	int status;
	pid_t pid = vfork();

	if (!pid) {
		pause_ms(CHILD_MS);
		_exit(0);
	}
	expect(pid > 0 && waitpid(pid, &status, 0) == pid, "vfork: %m");
	waits = false;
	return argument;
}

static double worst_gap(void)
{
	char *at = anonymous(MEMORY_PAGES);
	double last = seconds_now(), worst = 0;
	pthread_t thread;

	waits = true;
	expect(!pthread_create(&thread, NULL, wait_for_child, NULL), "pthread_create");
	for (size_t page = 0; waits; page++) {
		double now;

		at[page % MEMORY_PAGES * PAGE] = (char)page;
		if (page >= MEMORY_PAGES)
			pause_ms(1);
		now = seconds_now();
		if (now - last > worst)
			worst = now - last;
		last = now;
	}
	pthread_join(thread, NULL);
	return worst;
}

/* Each in a process of its own, which vswap has not come to yet. */
static bool try_once(void)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(worst_gap() < WORST_GAP ? 0 : 1);
	expect(pid > 0 && waitpid(pid, &status, 0) == pid, "fork: %m");
	expect(WIFEXITED(status) && WEXITSTATUS(status) <= 1, "status %#x", status);
	return !WEXITSTATUS(status);
}

int main(void)
{
	hazard_start();
	for (int i = 0; i < TRIES; i++)
		if (try_once())
			return 0;
	fail("in each of %d tries a thread stood still for %.0f s", TRIES, WORST_GAP);
}
