/* SPDX-License-Identifier: MIT */
/* Description: every operation on futexes; the words, lists and times have left. */
#include "calls.h"
#include <limits.h>
#include <linux/futex.h>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

static long futex(void *word, int operation, int value, const void *other, void *second, int third)
{
	return syscall(SYS_futex, word, operation, value, other, second, third);
}

/* A page of words, the last part of which is for times and lists. */
static int *words;
static struct timespec *limit;

static void cold(void)
{
	leave(words, 1);
}

static void values(void)
{
	*limit = (struct timespec){0, 20000000};
	cold();
	show(futex(words, FUTEX_WAIT, 1, NULL, NULL, 0));
	cold();
	show(futex(words, FUTEX_WAIT_PRIVATE, 0, limit, NULL, 0));
	cold();
	show(futex(words, FUTEX_WAKE, 1, NULL, NULL, 0));
	cold();
	show(futex(words, FUTEX_CMP_REQUEUE, 1, (void *)1, words + 16, 5));
	cold();
	show(futex(words, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)1, words + 16, 0));
	cold();
	show(futex(words, FUTEX_REQUEUE_PRIVATE, 1, (void *)1, words + 16, 0));
	cold();
	show(futex(words, FUTEX_WAKE_BITSET_PRIVATE, 1, NULL, NULL, 3));
	clock_gettime(CLOCK_MONOTONIC, limit);
	limit->tv_nsec = (limit->tv_nsec + 20000000) % 1000000000;
	cold();
	show(futex(words, FUTEX_WAIT_BITSET_PRIVATE, 0, limit, NULL, 3));
	cold();
	show(futex(words, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0));
}

static void several(void)
{
	struct futex_waitv *list = (struct futex_waitv *)(words + 256);

	for (int i = 0; i < 4; i++)
		list[i] = (struct futex_waitv){
			.uaddr = (uintptr_t)(words + 64 * i), .val = 0, .flags = FUTEX_32};
	clock_gettime(CLOCK_MONOTONIC, limit);
	cold();
	show(syscall(SYS_futex_waitv, list, 4, 0, limit, CLOCK_MONOTONIC));
	list[3].val = 1;
	cold();
	show(syscall(SYS_futex_waitv, list, 4, 0, limit, CLOCK_MONOTONIC));
}

static void *wait_for_it(void *argument)
{
	while (futex(words + 8, FUTEX_WAIT, 0, NULL, NULL, 0) && errno != EAGAIN)
		;
	return argument;
}

/* The waiter sleeps on a word that leaves meanwhile. */
static void wake_a_sleeper(void)
{
	pthread_t thread;

	words[8] = 0;
	expect(!pthread_create(&thread, NULL, wait_for_it, NULL), "pthread_create");
	pause_ms(50);
	cold();
	while (!futex(words + 8, FUTEX_WAKE, 1, NULL, NULL, 0))
		pause_ms(1);
	words[8] = 1;
	cold();
	futex(words + 8, FUTEX_WAKE, 1, NULL, NULL, 0);
	show(pthread_join(thread, NULL));
}

static void inheritance(void)
{
	int tid = syscall(SYS_gettid);

	words[32] = 0;
	cold();
	show(futex(words + 32, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	show(words[32] == tid);
	cold();
	show(futex(words + 32, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
	cold();
	show(futex(words + 32, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	show(words[32]);
	words[40] = 0;
	cold();
	show(futex(words + 40, FUTEX_WAKE_OP, 1, (void *)1, words + 44,
		   FUTEX_OP(FUTEX_OP_ADD, 5, FUTEX_OP_CMP_EQ, 0)));
	show(words[44]);
}

int main(void)
{
	hazard_start();
	words = (int *)area(1);
	limit = (struct timespec *)(words + 900);
	values();
	several();
	wake_a_sleeper();
	inheritance();
	return 0;
}
