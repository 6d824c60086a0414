/* SPDX-License-Identifier: MIT */
/*
 * Description: as robust_exit, but those who lock and end are old threads out of a crowd of
 * hundreds, whose lists are not read each time that pages leave, and
 * they hold it until its page has grown cold.
 */
#include "hazard.h"

#define CROWD	400
#define MUTEXES 512
#define WORKERS 40
#define SECONDS 6

struct member {
	pthread_t thread;
	pthread_mutex_t *_Atomic mutex; /* to be locked; then it ends */
	unsigned int held_us;		/* long enough for its page to grow cold */
};

static struct member crowd[CROWD];
static char *pages;
static atomic_bool done;

static void *die_when_told(void *argument)
{
	struct member *member = argument;
	while (!member->mutex)
		usleep(20000);
	expect(!pthread_mutex_lock(member->mutex), "lock");
	usleep(member->held_us);
	return NULL;
}

static void join_crowd(struct member *member)
{
	pthread_attr_t attributes;

	member->mutex = NULL;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 64 << 10);
	expect(!pthread_create(&member->thread, &attributes, die_when_told, member),
	       "pthread_create");
	pthread_attr_destroy(&attributes);
}

static void one(struct member *member, pthread_mutex_t *mutex, uint64_t random)
{
	member->held_us = (unsigned int)(random % 400000);
	member->mutex = mutex;
	pthread_join(member->thread, NULL);
	expect_owner_died(mutex);
	join_crowd(member);
}

/* Each worker has mutexes and a part of the crowd of its own; the oldest member goes first. */
static void *work(void *argument)
{
	size_t number = (uintptr_t)argument - 1, next = number;
	uint64_t random = mix(number + 1);

	while (!done) {
		random = mix(random);
		one(&crowd[next],
		    robust_mutex_at(pages, random % (MUTEXES / WORKERS) * WORKERS + number),
		    random);
		next = next + WORKERS < CROWD ? next + WORKERS : number;
	}
	return argument;
}

int main(void)
{
	for (size_t i = 0; i < CROWD; i++)
		join_crowd(&crowd[i]);
	hazard_start();
	pages = robust_mutexes(MUTEXES);
	press_beside(work, WORKERS, &done, SECONDS);
	return 0;
}
