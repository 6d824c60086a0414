/* SPDX-License-Identifier: MIT */
/* Description: the pages that the kernel writes when a thread exits are among the kept ones. */
#include <stdarg.h>
#include <setjmp.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "attach/threads.h"

#define PAGE	4096ul
#define THREADS 300

static _Atomic int stage, running;
static void *heads[THREADS];
static pthread_mutex_t *lock;

static void *live(void *argument)
{
	size_t length;

	syscall(SYS_get_robust_list, 0, &heads[(uintptr_t)argument], &length);
	running++;
	while (stage < 1)
		usleep(1000);
	return NULL;
}

static void *hold(void *argument)
{
	pthread_mutex_lock(lock);
	running++;
	while (stage < 1)
		usleep(1000);
	pthread_mutex_unlock(lock);
	running++;
	while (stage < 2)
		usleep(1000);
	return NULL;
}

static void wait_running(int count)
{
	while (running < count)
		usleep(1000);
}

static void test_heads(void **state)
{
	struct kept_pages kept = {0};
	pthread_t threads[THREADS];

	stage = running = 0;
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, live, (void *)i), 0);
	wait_running(THREADS);
	assert_int_equal(kept_pages_scan(getpid(), &kept), 0);
	assert_int_equal(kept.thread_count, THREADS + 1);
	for (unsigned int i = 0; i < THREADS; i++) {
		assert_true(kept_pages_has(&kept, (uintptr_t)heads[i]));
		/* glibc: the tid word stands 16 bytes before the robust list. */
		assert_true(kept_pages_has(&kept, (uintptr_t)heads[i] - 16));
		assert_false(kept_pages_has(&kept, (uintptr_t)heads[i] - 2 * PAGE));
	}
	for (size_t i = 1; i < kept.count; i++)
		assert_true(kept.pages[i - 1] < kept.pages[i]);
	stage = 1;
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	/* For one more scan. */
	assert_int_equal(kept_pages_scan(getpid(), &kept), 0);
	assert_int_equal(kept.thread_count, 1);
	assert_true(kept_pages_has(&kept, (uintptr_t)heads[0]));
	assert_int_equal(kept_pages_scan(getpid(), &kept), 0);
	assert_false(kept_pages_has(&kept, (uintptr_t)heads[0]));
	kept_pages_free(&kept);
	assert_int_equal(kept_pages_scan(0x3fffff00, &kept), -ESRCH);
	kept_pages_free(&kept);
}

static void test_locks(void **state)
{
	struct kept_pages kept = {0};
	pthread_mutexattr_t attributes;
	pthread_t thread;

	lock = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(lock, &attributes);
	stage = running = 0;
	assert_int_equal(kept_pages_scan(getpid(), &kept), 0);
	assert_false(kept_pages_has(&kept, (uintptr_t)lock));
	pthread_create(&thread, NULL, hold, NULL);
	wait_running(1);
	assert_int_equal(kept_pages_scan(getpid(), &kept), 0);
	assert_true(kept_pages_has(&kept, (uintptr_t)lock));
	/* Also when no thread came or went. */
	assert_int_equal(kept_pages_scan(getpid(), &kept), 0);
	assert_true(kept_pages_has(&kept, (uintptr_t)lock));
	stage = 1;
	wait_running(2);
	assert_int_equal(kept_pages_scan(getpid(), &kept), 0);
	assert_false(kept_pages_has(&kept, (uintptr_t)lock));
	stage = 2;
	pthread_join(thread, NULL);
	kept_pages_free(&kept);
}

static void test_arguments(void **state)
{
	struct kept_pages kept = {0};

	assert_int_equal(kept_pages_scan(getpid(), &kept), 0);
	assert_true(kept.arguments_end > kept.arguments_start);
	assert_true(kept_pages_has(&kept, (uintptr_t)program_invocation_name));
	assert_true(kept_pages_has(&kept, (uintptr_t)getenv("PATH")));
	kept_pages_free(&kept);
}

static void test_cpu(void **state)
{
	cpu_set_t one, old;
	int stat = open("/proc/thread-self/stat", O_RDONLY | O_CLOEXEC);

	assert_true(stat >= 0);
	sched_getaffinity(0, sizeof(old), &old);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &old))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
		assert_int_equal(thread_cpu(stat), cpu);
	}
	sched_setaffinity(0, sizeof(old), &old);
	close(stat);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heads),
		cmocka_unit_test(test_locks),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_cpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
