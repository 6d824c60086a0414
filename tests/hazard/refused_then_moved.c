/* SPDX-License-Identifier: MIT */
/*
 * Description: memory that has moved is unmapped together with what may not be unmapped, or mapped
 * over beyond RLIMIT_AS. The kernel refuses, but tells of the unmapping all the same, and the next
 * thing that the thread does is to move it on. It is all there; in a forked child, too.
 */
#include <sys/resource.h>
#include "hazard.h"

#define PAGES  24
#define ROUNDS 8
/* Far from where the kernel puts mappings, with room between. */
#define BASE   0x280000000000ul
#define STEP   (16ul << 20)
#define BEYOND (64ul << 30)

enum { AWAY, HOME, OTHER_HOME }; /* places; the first has room for two, and a sealed page behind */

static char *place(unsigned int number)
{
	return (char *)BASE + number * STEP;
}

static char *behind(char *at)
{
	return at + PAGES * PAGE;
}

static void map_at(char *at, size_t pages)
{
	expect(mmap(at, pages * PAGE, PROT_READ | PROT_WRITE,
		    MAP_FIXED_NOREPLACE | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == at,
	       "mmap: %m");
}

static void move(char *from, char *to)
{
	expect(mremap(from, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to,
	       "mremap: %m");
}

static void refused_unmap(void)
{
	expect(munmap(place(AWAY), 2 * PAGES * PAGE + PAGE) && errno == EPERM,
	       "what is sealed was unmapped");
}

static void refused_map(void)
{
	size_t bytes = 2 * PAGES * PAGE;

	expect(mmap(place(AWAY) - BEYOND, BEYOND + bytes, PROT_NONE,
		    MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED &&
		       errno == ENOMEM,
	       "a mapping beyond RLIMIT_AS");
}

static void check_home(const char *who)
{
	check(place(HOME), PAGES, 1, who);
	check(place(OTHER_HOME), PAGES, 2, who);
}

/* One goes there and comes back; then both, one behind the other. */
static void go_and_come(void (*refused)(void))
{
	move(place(HOME), place(AWAY));
	refused();
	move(place(AWAY), place(HOME));
	move(place(HOME), place(AWAY));
	move(place(OTHER_HOME), behind(place(AWAY)));
	refused();
	move(behind(place(AWAY)), place(OTHER_HOME));
	refused();
	move(place(AWAY), place(HOME));
}

static void rounds(const char *who)
{
	for (int round = 0; round < ROUNDS; round++) {
		press();
		go_and_come(round % 2 ? refused_map : refused_unmap);
		check_home(who);
	}
}

int main(void)
{
	struct rlimit limit = {BEYOND / 2, BEYOND / 2};
	char *sealed = place(AWAY) + 2 * PAGES * PAGE;
	pid_t child;

	hazard_start();
	map_at(place(HOME), PAGES);
	map_at(place(OTHER_HOME), PAGES);
	map_at(sealed, 1);
	if (syscall(SYS_mseal, sealed, PAGE, 0))
		skip("mseal: %m");
	expect(!setrlimit(RLIMIT_AS, &limit), "RLIMIT_AS: %m");
	fill(place(HOME), PAGES, 1);
	fill(place(OTHER_HOME), PAGES, 2);
	rounds("after a move");
	child = fork();
	expect(child >= 0, "fork: %m");
	if (!child) {
		rounds("a child, after a move");
		_exit(0);
	}
	wait_good(child, "the child");
	return 0;
}
