/* SPDX-License-Identifier: MIT */
/*
 * Description: munmap and mmap(MAP_FIXED) are refused, and leave all as it was; the kernel has told
 * of the unmapping by then. What was swapped there keeps its bytes, also in a child that is not its
 * parent's (CLONE_PARENT), and has touched nothing that is missing before.
 */
#include <sched.h>
#include <sys/resource.h>
#include "hazard.h"

#define PAGES	  1024
#define GUARDED	  256 /* of the first pages of the second area */
#define ROW	  40  /* areas, more than are kept in mind */
#define ROW_PAGES 8
#define ADDRESSES (1ul << 32) /* far more than this program has */

static void no_addresses(char *at)
{
	struct rlimit all, few;
	char *got;

	expect(!getrlimit(RLIMIT_AS, &all), "getrlimit: %m");
	few = (struct rlimit){.rlim_cur = ADDRESSES / 2, .rlim_max = all.rlim_max};
	if (few.rlim_cur > all.rlim_max || setrlimit(RLIMIT_AS, &few))
		skip("the limit of addresses cannot be changed: %m");
	got = mmap(at, ADDRESSES, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
	expect(got == MAP_FAILED, "4 GiB were mapped");
	expect(!setrlimit(RLIMIT_AS, &all), "setrlimit: %m");
}

/* The page behind them can never be unmapped. */
static void sealed(char *at)
{
	if (syscall(SYS_mseal, at + PAGES * PAGE, PAGE, 0)) {
		fprintf(stderr, "no mseal here: %m\n");
		return;
	}
	expect(munmap(at, (PAGES + 1) * PAGE), "a sealed page was unmapped");
}

/* Guards have dropped so many pages. */
static size_t guard_some(char *at)
{
	if (madvise(at, GUARDED * PAGE, MADV_GUARD_INSTALL))
		return 0;
	expect(!madvise(at, GUARDED * PAGE, MADV_GUARD_REMOVE), "guards stay: %m");
	return GUARDED;
}

/* Areas with a page behind each that can never be unmapped. False: this kernel seals nothing. */
static bool make_row(char *row[ROW])
{
	for (size_t i = 0; i < ROW; i++) {
		char *behind;

		row[i] = anonymous(ROW_PAGES + 1);
		behind = row[i] + ROW_PAGES * PAGE;
		expect(!mprotect(behind, PAGE, PROT_NONE), "mprotect: %m");
		if (syscall(SYS_mseal, behind, PAGE, 0))
			return false;
		fill(row[i], ROW_PAGES, i);
	}
	return true;
}

static void refuse_row(char *row[ROW])
{
	for (size_t i = 0; i < ROW; i++)
		expect(munmap(row[i], (ROW_PAGES + 1) * PAGE), "a sealed page was unmapped");
	for (size_t i = 0; i < ROW; i++)
		check(row[i], ROW_PAGES, i, "after many that were refused");
}

static void in_unknown_child(char *at)
{
	pid_t parent = fork(), child;
	int status;

	expect(parent >= 0, "fork: %m");
	if (!parent) {
		child = (pid_t)syscall(SYS_clone, CLONE_PARENT, 0, 0, 0, 0);
		expect(child >= 0, "clone: %m");
		if (!child) {
			no_addresses(at);
			check(at, PAGES, 31, "after a refused mmap in a child");
		}
		_exit(0);
	}
	for (int i = 0; i < 2; i++)
		expect(waitpid(-1, &status, __WALL) > 0 && !status, "a child: %x", status);
}

int main(void)
{
	bool has_row;
	char *row[ROW];
	size_t dropped;
	char *first = anonymous(PAGES), *second = anonymous(PAGES + 1);

	hazard_start();
	/* One mapping each: what is sealed is one of its own, too. */
	expect(!mprotect(second + PAGES * PAGE, PAGE, PROT_NONE), "mprotect: %m");
	fill(first, PAGES, 31);
	fill(second, PAGES, 32);
	has_row = make_row(row);
	evict_most(first, PAGES);
	evict_most(second, PAGES);
	in_unknown_child(first);
	no_addresses(first);
	dropped = guard_some(second);
	sealed(second);
	if (has_row)
		refuse_row(row);
	press();
	check(first, PAGES, 31, "after a refused mmap");
	check_zero(second, dropped, "what guards dropped");
	for (size_t p = dropped; p < PAGES; p++)
		expect(page_is(second + p * PAGE, 32, p), "page %zu after a refused munmap", p);
	return 0;
}
