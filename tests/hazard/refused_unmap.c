/* SPDX-License-Identifier: MIT */
/*
 * Description: munmap and mmap(MAP_FIXED) are refused, and leave all as it was; the kernel has told
 * of the unmapping by then. What was swapped there keeps its bytes.
 */
#include <sys/resource.h>
#include "hazard.h"

#define PAGES	  2048
#define ADDRESSES (1ul << 32) /* far more than this program has */

#ifndef SYS_mseal
#define SYS_mseal 462
#endif

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

int main(void)
{
	char *first = anonymous(PAGES), *second = anonymous(PAGES + 1);

	hazard_start();
	/* One mapping each: what is sealed is one of its own, too. */
	expect(!mprotect(second + PAGES * PAGE, PAGE, PROT_NONE), "mprotect: %m");
	fill(first, PAGES, 31);
	fill(second, PAGES, 32);
	evict_most(first, PAGES);
	evict_most(second, PAGES);
	no_addresses(first);
	sealed(second);
	press();
	check(first, PAGES, 31, "after a refused mmap");
	check(second, PAGES, 32, "after a refused munmap");
	return 0;
}
