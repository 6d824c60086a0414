/* SPDX-License-Identifier: MIT */
/*
 * Description: threads drop pages, and map and unmap, all the time, so that the kernel always has
 * an event in flight, and installs nothing meanwhile. Who touches pages that have left must get
 * them all the same: another thread, a child that is forked meanwhile, a thread of a forked child
 * that does the same, and a process beside it.
 */
#include "hazard.h"

#define THREADS 4
#define PAGES	2048ul
#define TOUCHES 30
#define FORKS	4
/* Far above what they take, far below for ever. */
#define MOST_SECONDS 30

static atomic_bool stop;
static char *cold;

static void *map(void *argument)
{
	while (!stop)
		munmap(anonymous(1), PAGE);
	return argument;
}

/* Pages far from each other: each is a fault of its own. */
static void touch(uint64_t seed, const char *who)
{
	double end = seconds_now() + MOST_SECONDS;

	for (int i = 0; i < TOUCHES; i++) {
		size_t page = mix(seed + (uint64_t)i) % PAGES;

		expect(page_is(cold + page * PAGE, 1, page), "%s: page %zu is wrong", who, page);
		expect(seconds_now() < end, "%s: only %d of %d touches in %d s", who, i + 1,
		       TOUCHES, MOST_SECONDS);
	}
}

/* A child is born only when all that was in flight with its fork is known. */
static void fork_and_touch(uint64_t seed)
{
	for (uint64_t i = 0; i < FORKS; i++) {
		pid_t child = fork();

		expect(child >= 0, "fork: %m");
		if (!child) {
			size_t page = mix(seed << 8 | i) % PAGES;

			expect(page_is(cold + page * PAGE, 1, page), "child: page %zu", page);
			_exit(0);
		}
		wait_good(child, "a child forked in a storm");
	}
}

static void touch_in_a_storm(void *(*work)(void *), uint64_t seed, const char *who)
{
	pthread_t threads[THREADS];

	stop = false;
	for (int i = 0; i < THREADS; i++)
		expect(!pthread_create(&threads[i], NULL, work, &stop), "pthread_create");
	pause_ms(50);
	touch(seed, who);
	fork_and_touch(seed);
	stop = true;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void child_beside(int gate)
{
	char byte;

	expect(read(gate, &byte, 1) == 1, "read: %m");
	touch(4, "a process beside a storm");
	_exit(0);
}

int main(void)
{
	int gate[2];
	pid_t beside, child;

	hazard_start();
	cold = anonymous(PAGES);
	fill(cold, PAGES, 1);
	evict_most(cold, PAGES);
	expect(!pipe(gate), "pipe: %m");
	beside = fork();
	expect(beside >= 0, "fork: %m");
	if (!beside)
		child_beside(gate[0]);

	expect(write(gate[1], "", 1) == 1, "write: %m");
	touch_in_a_storm(drop_until, 1, "a thread in a storm");
	wait_good(beside, "the process beside");
	touch_in_a_storm(map, 2, "a thread among mappings");

	child = fork();
	expect(child >= 0, "fork: %m");
	if (!child) {
		touch_in_a_storm(drop_until, 3, "a child in a storm");
		_exit(0);
	}
	wait_good(child, "the child");
	return 0;
}
