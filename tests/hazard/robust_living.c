/* SPDX-License-Identifier: MIT */
/*
 * Description: threads take robust mutexes that have grown cold, and give them back; in a pid
 * namespace of their own (for root), where their ids mean somebody else to who pages them, or
 * nobody. None of them ends with one, so nobody may be told that its owner has died.
 */
#include "hazard.h"
#include <sched.h>

#define MUTEXES 512
#define WORKERS 3
#define SECONDS 5

static char *pages;
static atomic_bool done;

static void *work(void *argument)
{
	size_t number = (uintptr_t)argument - 1;
	uint64_t random = mix(number + 1);

	while (!done) {
		pthread_mutex_t *mutex;
		unsigned int spins;
		int error;

		random = mix(random);
		spins = (unsigned int)(random >> 32) % 400000;
		/* Each worker has mutexes of its own. */
		mutex = robust_mutex_at(pages, random % (MUTEXES / WORKERS) * WORKERS + number);
		error = pthread_mutex_lock(mutex);
		expect(!error, "lock: %s", strerror(error));
		while (spins--)
			atomic_signal_fence(memory_order_seq_cst);
		error = pthread_mutex_unlock(mutex);
		expect(!error, "unlock: %s", strerror(error));
	}
	return argument;
}

static void run(void)
{
	pages = robust_mutexes(MUTEXES);
	press_beside(work, WORKERS, &done, SECONDS);
}

int main(void)
{
	pid_t pid;

	hazard_start();
	if (unshare(CLONE_NEWPID)) {
		run();
		return 0;
	}
	pid = fork();
	expect(pid >= 0, "fork");
	if (!pid) {
		hazard_start();
		run();
		_exit(0);
	}
	wait_good(pid, "the process in its namespace");
	return 0;
}
