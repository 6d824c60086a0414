/* SPDX-License-Identifier: MIT */
/*
 * Description: a job is stopped (Ctrl-Z, SIGSTOP), and one of its processes is not: a daemon that
 * is in a session of its own. vswap stops as the program does, so that the shell sees it. The
 * daemon must get its pages all the same, and the program when somebody else continues it.
 */
#include "hazard.h"

#define PAGES 64
#define SEED  7
/* Longer than it takes until all is quiet; far more than a page takes. */
#define QUIET_MS 1500
#define SLOW_S	 10.0

static void touch_slowly(char *at, const char *who)
{
	for (size_t page = 0; page < PAGES; page += PAGES / 4) {
		double since = seconds_now(), took;

		expect(page_is(at + page * PAGE, SEED, page), "%s: page %zu is wrong", who, page);
		took = seconds_now() - since;
		expect(took < SLOW_S, "%s: page %zu took %.1f s", who, page, took);
		pause_ms(QUIET_MS / 4);
	}
}

static void daemon_goes_on(char *at)
{
	setsid();
	hazard_start();
	pause_ms(QUIET_MS);
	touch_slowly(at, "the daemon");
	kill(getppid(), SIGCONT);
	_exit(0);
}

int main(void)
{
	char *at = anonymous(PAGES);
	pid_t child;

	hazard_start();
	fill(at, PAGES, SEED);
	must_evict(at, PAGES);
	child = fork();
	expect(child >= 0, "fork: %m");
	if (!child)
		daemon_goes_on(at);
	raise(SIGSTOP);
	touch_slowly(at, "the program");
	wait_good(child, "the daemon");
	return 0;
}
