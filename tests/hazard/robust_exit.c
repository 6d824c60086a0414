/* SPDX-License-Identifier: MIT */
/*
 * Description: threads lock a robust mutex that has grown cold and end at once, while pages leave
 * all the time: the lock's page may be on its way out when the kernel walks the thread's list, and
 * cannot be reached then. The next to lock it must learn that its owner is dead all the same.
 */
#include "hazard.h"

#define MUTEXES 512
#define WORKERS 3
#define SECONDS 5

static char *pages;
static atomic_bool done;

/* Holds it for some hundred microseconds at most. */
static void *die_with(void *argument)
{
	unsigned int spins =
		(unsigned int)(mix((uint64_t)(uintptr_t)&spins ^ pthread_self()) % 40000);

	expect(!pthread_mutex_lock(argument), "lock");
	while (spins--)
		atomic_signal_fence(memory_order_seq_cst);
	return NULL;
}

static void one(pthread_mutex_t *mutex)
{
	pthread_t thread;

	expect(!pthread_create(&thread, NULL, die_with, mutex), "pthread_create");
	pthread_join(thread, NULL);
	expect_owner_died(mutex);
}

static void *work(void *argument)
{
	size_t number = (uintptr_t)argument - 1;
	uint64_t random = mix(number + 1);

	while (!done) {
		size_t at;

		/* Each worker has mutexes of its own. */
		random = mix(random);
		at = random % (MUTEXES / WORKERS) * WORKERS + number;
		one(robust_mutex_at(pages, at));
	}
	return argument;
}

int main(void)
{
	hazard_start();
	pages = robust_mutexes(MUTEXES);
	press_beside(work, WORKERS, &done, SECONDS);
	return 0;
}
