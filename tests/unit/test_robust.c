/* SPDX-License-Identifier: MIT */
/*
 * Description: robust mutexes that are held are found in a page's bytes, wherever they are; free
 * ones, others, those of the dead, and data that looks a little like one are not.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "pager/eviction/robust.h"

#define PAGE 4096u

/* What is read of the last mutex ends behind the page. */
static _Alignas(PAGE) uint8_t page[PAGE + 8];

static pthread_mutex_t *mutex_at(unsigned int at, int robust, int protocol)
{
	pthread_mutex_t *mutex = (pthread_mutex_t *)(page + at);
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setrobust(&attributes, robust);
	pthread_mutexattr_setprotocol(&attributes, protocol);
	assert_int_equal(pthread_mutex_init(mutex, &attributes), 0);
	return mutex;
}

static unsigned int find(struct robust_lock *locks)
{
	return robust_find(page, 0x7000, locks, 4);
}

static bool stands_in_list(const struct robust_lock *lock)
{
	return robust_is_neighbour(lock, (const uint8_t *)lock->neighbour[0]) &&
	       robust_is_neighbour(lock, (const uint8_t *)lock->neighbour[1]);
}

static void test_held(void **state)
{
	pthread_mutex_t *first = mutex_at(8, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE);
	pthread_mutex_t *last = mutex_at(PAGE - 40, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE);
	struct robust_lock locks[4];

	assert_int_equal(find(locks), 0);
	pthread_mutex_lock(first);
	pthread_mutex_lock(last);
	assert_int_equal(find(locks), 2);
	assert_int_equal(locks[0].address, 0x7008);
	assert_int_equal(locks[0].word, syscall(SYS_gettid));
	assert_int_equal(locks[1].address, 0x8000 - 40);
	assert_true(stands_in_list(&locks[0]) && stands_in_list(&locks[1]));
	assert_int_equal(robust_find(page, 0x7000, locks, 1), 1);
	pthread_mutex_unlock(first);
	pthread_mutex_unlock(last);
	assert_int_equal(find(locks), 0);
}

static void *hold(void *argument)
{
	pthread_mutex_lock(argument);
	return NULL;
}

/* The kernel has marked it. */
static void test_dead(void **state)
{
	pthread_mutex_t *mutex = mutex_at(64, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE);
	struct robust_lock locks[4];
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, hold, mutex), 0);
	pthread_join(thread, NULL);
	assert_int_equal(find(locks), 0);
	memset(page, 0, PAGE);
}

static void test_others(void **state)
{
	pthread_mutex_t *stalled = mutex_at(0, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE);
	pthread_mutex_t *inherits = mutex_at(128, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_INHERIT);
	struct robust_lock locks[4];

	pthread_mutex_lock(stalled);
	pthread_mutex_lock(inherits);
	assert_int_equal(find(locks), 0);
	pthread_mutex_unlock(stalled);
	pthread_mutex_unlock(inherits);
	for (unsigned int fill = 1; fill < 256; fill++) {
		memset(page, (int)fill, PAGE);
		assert_int_equal(find(locks), 0);
	}
	memset(page, 0, PAGE);
}

/* Looks like a held one, but no list has it. */
static void test_alike(void **state)
{
	static uint64_t elsewhere[16];
	uint32_t *words = (uint32_t *)page;
	uint64_t *pointers = (uint64_t *)page;
	struct robust_lock locks[4];

	words[0] = words[2] = 4711;
	words[3] = 1;
	words[4] = 16;
	pointers[3] = pointers[4] = (uint64_t)&elsewhere[4];
	assert_int_equal(find(locks), 1);
	assert_false(stands_in_list(&locks[0]));
	elsewhere[5] = (uint64_t)-32;
	assert_true(stands_in_list(&locks[0]));
	words[0] = words[2] = 1u << 22;
	assert_int_equal(find(locks), 0);
	memset(page, 0, PAGE);
}

static void test_last_id(void **state)
{
	int file = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
	pid_t before = robust_last_id(file);

	assert_true(before > 0);
	assert_int_equal(system("true"), 0);
	assert_int_not_equal(robust_last_id(file), before);
	close(file);
	assert_int_equal(robust_last_id(-1), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_held),	cmocka_unit_test(test_dead),
		cmocka_unit_test(test_others),	cmocka_unit_test(test_alike),
		cmocka_unit_test(test_last_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
