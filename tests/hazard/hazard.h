/* SPDX-License-Identifier: MIT */
/*
 * What the hazards share. Each is a program that checks itself: 0 right, 1 wrong, 77 could
 * not be tried here. They run on their own too; under vswap HAZARD_SWAPPED=1 says
 * that pages are expected to leave when they are cold.
 */
#ifndef TESTS_HAZARD_H
#define TESTS_HAZARD_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Younger than some C libraries. */
#ifndef SYS_mseal
#define SYS_mseal 462
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE  103
#endif

#define PAGE 4096ul

/* Far above the budget of the runs (system/hazards.sh). */
#define BALLAST_PAGES (40ul << 20 >> 12)

/* Longer than anything here takes, even on a slow machine. */
#define HAZARD_SECONDS 100

static inline __attribute__((noreturn, format(printf, 2, 3))) void hazard_end(int status,
									      const char *format,
									      ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs(status == 77 ? "skip: " : "FAILED: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	fflush(stderr);
	_exit(status);
}

#define skip(...)	       hazard_end(77, __VA_ARGS__)
#define fail(...)	       hazard_end(1, __VA_ARGS__)
#define expect(condition, ...) ((condition) ? (void)0 : fail(__VA_ARGS__))

static inline bool under_vswap(void)
{
	const char *value = getenv("HAZARD_SWAPPED");

	return value && *value == '1';
}

static inline double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec * 1e-9;
}

static inline void pause_ms(long ms)
{
	struct timespec pause = {ms / 1000, ms % 1000 * 1000000};

	while (nanosleep(&pause, &pause) && errno == EINTR)
		;
}

static inline char *anonymous(size_t pages)
{
	char *at = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);

	expect(at != MAP_FAILED, "mmap of %zu pages: %m", pages);
	return at;
}

static inline uint64_t mix(uint64_t value)
{
	value += 0x9e3779b97f4a7c15ull;
	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ull;
	value = (value ^ (value >> 27)) * 0x94d049bb133111ebull;
	return value ^ (value >> 31);
}

/* Contents that follow from seed and page number; a third compresses badly. */
static inline uint64_t page_word(uint64_t seed, size_t page, size_t word)
{
	uint64_t key = mix(seed * 0x100000001b3ull + page);

	return key % 3 ? (key & 0xffffffff) + word : mix(key + word);
}

static inline void fill_page(char *at, uint64_t seed, size_t page)
{
	for (size_t w = 0; w < PAGE / 8; w++)
		((uint64_t *)at)[w] = page_word(seed, page, w);
}

static inline void fill(char *at, size_t pages, uint64_t seed)
{
	for (size_t p = 0; p < pages; p++)
		fill_page(at + p * PAGE, seed, p);
}

static inline bool page_is(const char *at, uint64_t seed, size_t page)
{
	for (size_t w = 0; w < PAGE / 8; w++)
		if (((const uint64_t *)at)[w] != page_word(seed, page, w))
			return false;
	return true;
}

static inline bool page_is_zero(const char *at)
{
	return !*at && !memcmp(at, at + 1, PAGE - 1);
}

static inline void check(const char *at, size_t pages, uint64_t seed, const char *what)
{
	for (size_t p = 0; p < pages; p++)
		expect(page_is(at + p * PAGE, seed, p), "%s: page %zu of %zu is %s", what, p, pages,
		       page_is_zero(at + p * PAGE) ? "zeros" : "wrong");
}

static inline void check_zero(const char *at, size_t pages, const char *what)
{
	for (size_t p = 0; p < pages; p++)
		expect(page_is_zero(at + p * PAGE), "%s: page %zu of %zu is not zeros", what, p,
		       pages);
}

/* How many of the pages are in memory now. */
static inline size_t resident(const void *address, size_t pages)
{
	uintptr_t first = (uintptr_t)address / PAGE;
	size_t count = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	expect(fd >= 0, "/proc/self/pagemap: %m");
	for (size_t i = 0; i < pages; i++) {
		uint64_t entry = 0;

		expect(pread(fd, &entry, 8, (first + i) * 8) == 8, "pagemap: %m");
		count += entry >> 63;
	}
	close(fd);
	return count;
}

/* One pass over much other memory. */
static inline void press(void)
{
	static char *ballast;
	static uint64_t round;

	if (!ballast)
		ballast = anonymous(BALLAST_PAGES);
	round++;
	for (size_t p = 0; p < BALLAST_PAGES; p++) {
		*(volatile uint64_t *)(ballast + p * PAGE) = round;
		*(volatile uint64_t *)(ballast + p * PAGE + 1024) = mix(p);
	}
}

/* A thread that drops a page all the time, until *stop (atomic_bool) is set: an event is in flight
 * nearly always. */
static inline void *drop_until(void *stop)
{
	char *at = anonymous(1);

	while (!*(atomic_bool *)stop)
		expect(!madvise(at, PAGE, MADV_DONTNEED), "madvise: %m");
	return stop;
}

/* For so long, `count` threads work (on 1, 2, ..., which they return) while other memory pushes
 * theirs out; then `stop` is set, and they end. */
static inline void press_beside(void *(*work)(void *), uintptr_t count, atomic_bool *stop,
				double seconds)
{
	pthread_t *threads = calloc(count, sizeof(*threads));
	double end = seconds_now() + seconds;
	void *result;

	for (uintptr_t i = 0; i < count; i++)
		expect(!pthread_create(&threads[i], NULL, work, (void *)(i + 1)), "pthread_create");
	while (seconds_now() < end)
		press();
	*stop = true;
	for (uintptr_t i = 0; i < count; i++)
		expect(!pthread_join(threads[i], &result) && result == (void *)(i + 1), "join");
	free(threads);
}

/* Uses other memory until the pages have left. False: they stay. */
static inline bool evict(const void *address, size_t pages)
{
	double end = seconds_now() + 15;

	press();
	while (under_vswap() && seconds_now() < end) {
		if (!resident(address, pages))
			return true;
		press();
	}
	return false;
}

/* For tests that mean nothing otherwise. Most may have left is not enough: all must. */
static inline void must_evict(const void *address, size_t pages)
{
	if (!evict(address, pages) && under_vswap())
		skip("the pages at %p did not leave in 15 s", address);
}

/* For large areas: it is enough when most have left. */
static inline void evict_most(const void *address, size_t pages)
{
	double end = seconds_now() + 15;

	press();
	while (under_vswap() && resident(address, pages) > pages / 4) {
		if (seconds_now() > end)
			skip("of %zu pages at %p %zu stay", pages, address,
			     resident(address, pages));
		press();
	}
}

/* Robust mutexes, each on a page of its own. */
static inline pthread_mutex_t *robust_mutex_at(char *pages, size_t i)
{
	return (pthread_mutex_t *)(pages + i * PAGE + 128);
}

static inline char *robust_mutexes(size_t count)
{
	char *pages = anonymous(count);
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	for (size_t i = 0; i < count; i++)
		pthread_mutex_init(robust_mutex_at(pages, i), &attributes);
	return pages;
}

/* Who held it has ended. Makes it good again. */
static inline void expect_owner_died(pthread_mutex_t *mutex)
{
	struct timespec until;
	int error;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 10;
	error = pthread_mutex_timedlock(mutex, &until);
	expect(error == EOWNERDEAD, "%s instead of EOWNERDEAD", strerror(error));
	pthread_mutex_consistent(mutex);
	pthread_mutex_unlock(mutex);
}

static inline void wait_good(pid_t pid, const char *who)
{
	int status;

	expect(waitpid(pid, &status, 0) == pid, "waitpid: %m");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		_exit(77);
	expect(WIFEXITED(status), "%s was killed by signal %d", who, WTERMSIG(status));
	expect(WEXITSTATUS(status) == 0, "%s ended with %d", who, WEXITSTATUS(status));
}

/* Every main starts with it: a hang is a failure. */
static inline void hazard_start(void)
{
	alarm(HAZARD_SECONDS);
}

#endif
