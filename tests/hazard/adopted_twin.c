/* SPDX-License-Identifier: MIT */
/*
 * Description: a forked child gets an agent of its own while another process that has its memory
 * (CLONE_VM), and is none of its threads, moves mappings about: what the child has of its parent's
 * swapped pages stays. It does so now and then, or all the time: its faults are served all the
 * same. Two do it at once, and the parent of one has ended.
 */
#include <sched.h>
#include "hazard.h"

#define AREAS	 16
#define PAGES	 64
#define TWINS	 2
#define COLD	 10000
#define CHILDREN 10
#define SECONDS	 0.6
/* Far above what a touch takes. */
#define MOST_SECONDS 3

static char *area[TWINS][AREAS], *stacks[TWINS + 1], *cold;
static long pause_us; /* between two moves */
static double until;  /* should nobody be left to stop them */
static atomic_bool stop;
static atomic_int ended;

/* One of the other processes. It goes to and fro. */
static int move_about(void *argument)
{
	char **mine = argument, *room;

	room = mmap(NULL, PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	expect(room != MAP_FAILED, "mmap: %m");
	for (size_t n = 0; !stop && seconds_now() < until; n = (n + 1) % AREAS) {
		char *left = mine[n];

		mine[n] = mremap(left, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
				 room);
		expect(mine[n] == room, "mremap: %m");
		/* There, if nobody was faster. */
		room = mmap(left, PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		expect(room != MAP_FAILED, "mmap: %m");
		if (pause_us)
			usleep((useconds_t)pause_us);
	}
	ended++;
	_exit(0);
}

static pid_t clone_vm(int (*run)(void *), unsigned int stack, char **mine)
{
	pid_t pid = clone(run, stacks[stack] + 64 * PAGE, CLONE_VM | SIGCHLD, mine);

	expect(pid > 0, "clone: %m");
	return pid;
}

/* It has ended before its child has done much. */
static int leave_an_orphan(void *argument)
{
	clone_vm(move_about, 1, argument);
	_exit(0);
}

static void child(void)
{
	double began = seconds_now(), touched = began;
	pid_t pid;

	until = began + 4 * MOST_SECONDS;
	for (int i = 0; i <= TWINS; i++)
		stacks[i] = anonymous(64);
	pid = clone_vm(move_about, 0, area[0]);
	wait_good(clone_vm(leave_an_orphan, TWINS, area[1]), "the orphan's parent");
	for (size_t page = 0; touched < began + SECONDS; page = (page + 1) % COLD) {
		double before = touched;

		expect(*(volatile size_t *)(cold + page * PAGE) == page, "page %zu", page);
		touched = seconds_now();
		expect(touched < before + MOST_SECONDS, "a page was touched in %.1f s",
		       touched - before);
	}
	stop = true;
	wait_good(pid, "a process that shares the memory");
	while (ended < TWINS)
		pause_ms(1);
	for (size_t n = 0; n < TWINS * AREAS; n++)
		check(area[n / AREAS][n % AREAS], PAGES, n, "what was moved about");
	_exit(0);
}

int main(void)
{
	hazard_start();
	for (size_t n = 0; n < TWINS * AREAS; n++) {
		area[n / AREAS][n % AREAS] = anonymous(PAGES);
		fill(area[n / AREAS][n % AREAS], PAGES, n);
	}
	cold = anonymous(COLD);
	for (size_t page = 0; page < COLD; page++)
		*(size_t *)(cold + page * PAGE) = page;
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
