/* SPDX-License-Identifier: MIT */
/*
 * Description: a forked child gets an agent of its own while another process that has its memory
 * (CLONE_VM), and is none of its threads, moves mappings about: what the child has of its parent's
 * swapped pages stays. It does so now and then, or all the time: its faults are served all the
 * same.
 */
#include <sched.h>
#include <sys/prctl.h>
#include "hazard.h"

#define AREAS	 16
#define PAGES	 64
#define CHILDREN 10
#define SECONDS	 0.6

static char *area[AREAS];
static long pause_us; /* between two moves */
static atomic_bool stop;

/* The other process. It goes to and fro. */
static int move_about(void *argument)
{
	char *room = mmap(NULL, PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)argument;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	expect(room != MAP_FAILED, "mmap: %m");
	for (size_t n = 0; !stop; n = (n + 1) % AREAS) {
		char *left = area[n];

		area[n] = mremap(left, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
				 room);
		expect(area[n] == room, "mremap: %m");
		/* There, if nobody was faster. */
		room = mmap(left, PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		expect(room != MAP_FAILED, "mmap: %m");
		if (pause_us)
			usleep((useconds_t)pause_us);
	}
	return 0;
}

static void child(void)
{
	char *stack = anonymous(64);
	double end = seconds_now() + SECONDS;
	pid_t pid = clone(move_about, stack + 64 * PAGE, CLONE_VM | SIGCHLD, NULL);

	expect(pid > 0, "clone: %m");
	while (seconds_now() < end)
		press();
	stop = true;
	wait_good(pid, "the process that shares the memory");
	for (size_t n = 0; n < AREAS; n++)
		check(area[n], PAGES, n, "what was moved about");
	_exit(0);
}

int main(void)
{
	hazard_start();
	for (size_t n = 0; n < AREAS; n++) {
		area[n] = anonymous(PAGES);
		fill(area[n], PAGES, n);
	}
	for (int i = 0; i < 3; i++)
		press();
	for (int i = 0; i < CHILDREN; i++) {
		pid_t pid;

		pause_us = i % 3 * 3000;
		pid = fork();
		expect(pid >= 0, "fork: %m");
		if (!pid)
			child();
		wait_good(pid, "a child");
	}
	return 0;
}
