/* SPDX-License-Identifier: MIT */
/* Description: limits, personality, prctl: as without vswap, also when they are reached. */
#include "calls.h"
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define PAGES 64

static char *at; /* limits to set, limits as they were */

static void limit(int which, rlim_t bytes)
{
	struct rlimit *set = (struct rlimit *)at;

	expect(!getrlimit(which, set), "getrlimit: %m");
	set->rlim_cur = bytes;
	leave(at, 1);
	show(prlimit(0, which, set, (struct rlimit *)(at + 512)));
}

static void addresses(void)
{
	char *pages = area(PAGES);

	fill(pages, PAGES, 1);
	limit(RLIMIT_AS, 1ul << 30);
	show(mmap(NULL, 2ul << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	     MAP_FAILED);
	leave(pages, PAGES);
	show_pages(pages, PAGES, 1);
}

static void data(void)
{
	char *pages = area(PAGES);

	fill(pages, PAGES, 2);
	limit(RLIMIT_DATA, 200ul << 20);
	show(mmap(NULL, 400ul << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	     MAP_FAILED);
	show(sbrk(400l << 20) == (void *)-1);
	leave(pages, PAGES);
	show_pages(pages, PAGES, 2);
}

static int deep(int depth)
{
	volatile char frame[3 * PAGE];

	for (size_t i = 0; i < sizeof(frame); i += PAGE)
		frame[i] = (char)depth;
	return depth ? deep(depth - 1) + (frame[PAGE] == (char)depth) : 0;
}

static void stack(void)
{
	limit(RLIMIT_STACK, 4ul << 20);
	show(deep(200));
	press();
	show(deep(200));
}

static void locked(void)
{
	char *pages = area(PAGES);

	limit(RLIMIT_MEMLOCK, 8 * PAGE);
	fill_and_leave(pages, PAGES, 3);
	show(mlock(pages, 4 * PAGE));
	show_pages(pages, PAGES, 3);
	show(munlock(pages, 4 * PAGE));
}

static void descriptors(void)
{
	char *pages = area(PAGES);
	int first = dup(0), last = first, next;

	limit(RLIMIT_NOFILE, 64);
	while ((next = dup(0)) >= 0)
		last = next;
	show(last);
	close(first);
	close(last);
	fill_and_leave(pages, PAGES, 4);
	show_pages(pages, PAGES, 4);
}

static void file_size(void)
{
	char *pages = area(PAGES);
	int fd = file_of(1, 1);

	signal(SIGXFSZ, SIG_IGN);
	limit(RLIMIT_FSIZE, 2 * PAGE);
	fill_and_leave(pages, PAGES, 5);
	show(pwrite(fd, pages, PAGES * PAGE, 0));
	show(pwrite(fd, pages, PAGE, 4 * PAGE));
	show_pages(pages, PAGES, 5);
}

static void others(void)
{
	char *name = at + 1024;

	show(personality(0xffffffff));
	show(personality(ADDR_NO_RANDOMIZE));
	show(personality(0));
	strcpy(name, "a new name");
	leave(at, 1);
	show(prctl(PR_SET_NAME, name));
	leave(at, 1);
	show(prctl(PR_GET_NAME, at + 2048));
	show_text(__func__, "the name", at + 2048);
	leave(at, 1);
	show(prctl(PR_GET_PDEATHSIG, at + 2048));
	show(prctl(PR_SET_DUMPABLE, 1));
	show(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
	show(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0));
	show(prctl(PR_SET_MM, PR_SET_MM_START_BRK, 1, 0, 0));
	leave(at, 1);
	show(prctl(PR_SET_MM, PR_SET_MM_MAP_SIZE, at + 2048, 0, 0));
	leave(at, 1);
	show(syscall(SYS_capget, at + 3000, NULL) <= 0);
}

int main(void)
{
	hazard_start();
	at = area(1);
	in_child(addresses);
	in_child(data);
	in_child(stack);
	in_child(locked);
	in_child(descriptors);
	in_child(file_size);
	in_child(others);
	return 0;
}
