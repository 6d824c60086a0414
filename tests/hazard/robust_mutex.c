/* SPDX-License-Identifier: MIT */
/*
 * Description: a thread dies with robust mutexes held, each on a page of its own that has grown
 * cold. The kernel walks the list at its exit and marks them; a swapped page would be
 * left out, and the next to lock it would wait for ever.
 */
#include "hazard.h"

#define MUTEXES 5
#define ROUNDS	6

static char *pages;
static atomic_bool locked, leave;

static pthread_mutex_t *mutex(int i)
{
	return (pthread_mutex_t *)(pages + i * PAGE + 128);
}

static void *owner(void *argument)
{
	for (int i = 0; i < MUTEXES; i++)
		expect(!pthread_mutex_lock(mutex(i)), "lock");
	locked = true;
	while (!leave)
		pause_ms(5);
	return argument;
}

int main(void)
{
	pthread_mutexattr_t attributes;

	hazard_start();
	pages = anonymous(MUTEXES);
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	for (int round = 0; round < ROUNDS; round++) {
		pthread_t thread;
		struct timespec until;

		locked = leave = false;
		for (int i = 0; i < MUTEXES; i++)
			pthread_mutex_init(mutex(i), &attributes);
		expect(!pthread_create(&thread, NULL, owner, NULL), "pthread_create");
		while (!locked)
			pause_ms(1);
		for (int i = 0; i < 4; i++) {
			press();
			pause_ms(50);
		}
		leave = true;
		pthread_join(thread, NULL);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += 5;
		for (int i = 0; i < MUTEXES; i++) {
			int error = pthread_mutex_timedlock(mutex(i), &until);

			expect(error == EOWNERDEAD, "mutex %d: %s instead of EOWNERDEAD", i,
			       strerror(error));
			pthread_mutex_consistent(mutex(i));
			pthread_mutex_unlock(mutex(i));
			pthread_mutex_destroy(mutex(i));
		}
	}
	return 0;
}
