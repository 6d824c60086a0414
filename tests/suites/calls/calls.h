/* SPDX-License-Identifier: MIT */
/*
 * What the programs of this folder share. Each calls the kernel with arguments that stand in memory
 * that has left, and prints what it gets: nothing that differs from run to run. calls.sh compares
 * that with a run without vswap.
 */
#ifndef TESTS_CALLS_H
#define TESTS_CALLS_H

#include "../../hazard/hazard.h"

/* Prints a call's text, its result, and the error's name. */
#define show(call) show_result(__func__, #call, (long)(call))

static inline void show_result(const char *where, const char *what, long result)
{
	const char *error = result == -1 ? strerrorname_np(errno) : NULL;

	printf("%s: %s = %ld%s%s\n", where, what, result, error ? " " : "", error ? error : "");
	fflush(stdout);
}

/* Memory of a case, zeros at first; its first page is for what describes the rest. */
static inline char *area(size_t pages)
{
	return anonymous(pages);
}

#define LEAVE_SECONDS 5

/* Returns when none of it is in memory. What was pinned a moment ago may stay: then it is said. */
static inline void leave(const void *at, size_t pages)
{
	double end = seconds_now() + LEAVE_SECONDS;

	do
		press();
	while (under_vswap() && resident(at, pages) && seconds_now() < end);
	fprintf(stderr, "area: %s\n", resident(at, pages) ? "stays" : "left");
}

static inline void fill_and_leave(char *at, size_t pages, uint64_t seed)
{
	fill(at, pages, seed);
	leave(at, pages);
}

/* Prints whether the pages have their bytes. */
#define show_pages(at, pages, seed) show_contents(__func__, at, pages, seed)

static inline void show_contents(const char *where, const char *at, size_t pages, uint64_t seed)
{
	size_t right = 0, zeros = 0;

	for (size_t p = 0; p < pages; p++) {
		right += page_is(at + p * PAGE, seed, p);
		zeros += page_is_zero(at + p * PAGE);
	}
	printf("%s: of %zu pages %zu are right, %zu zeros\n", where, pages, right, zeros);
	fflush(stdout);
}

static inline void show_text(const char *where, const char *what, const char *text)
{
	printf("%s: %s is \"%s\"\n", where, what, text);
	fflush(stdout);
}

static inline void in_child(void (*work)(void))
{
	pid_t pid = fork();

	if (!pid) {
		work();
		_exit(0);
	}
	wait_good(pid, "a child");
}

/* An unlinked file with so many pages of contents. */
static inline int file_of(size_t pages, uint64_t seed)
{
	char page[PAGE];
	int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	expect(fd >= 0, "a temporary file: %m");
	for (size_t p = 0; p < pages; p++) {
		fill_page(page, seed, p);
		expect(write(fd, page, PAGE) == (ssize_t)PAGE, "write: %m");
	}
	expect(!lseek(fd, 0, SEEK_SET), "lseek: %m");
	return fd;
}

#endif
