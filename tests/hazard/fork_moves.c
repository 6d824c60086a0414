/* SPDX-License-Identifier: MIT */
/*
 * Description: threads move swapped mappings to and fro, and drop pages, without a pause and
 * without touching any, while another thread forks: something is always under way. Each child finds
 * every mapping in the one place where it was, and is served in good time.
 */
#include "hazard.h"

#define MOVERS	 2
#define PAGES	 48
#define CHILDREN 24

/* Where the kernel puts nothing by itself. */
#define FIRST_PLACE 0x100000000000ul
#define PLACE_STEP  0x10000000ul

struct mover {
	_Atomic(char *) at; /* NULL: it is on its way */
	char padding[2 * PAGE];
};

static struct mover movers[MOVERS] __attribute__((aligned(PAGE)));
static atomic_bool stop;

static char *place(uintptr_t mover, unsigned int which)
{
	return (char *)(FIRST_PLACE + (2 * mover + which) * PLACE_STEP);
}

static void *move(void *argument)
{
	uintptr_t id = (uintptr_t)argument;
	unsigned int which = 0;

	while (!stop) {
		movers[id].at = NULL;
		expect(mremap(place(id, which), PAGES * PAGE, PAGES * PAGE,
			      MREMAP_MAYMOVE | MREMAP_FIXED,
			      place(id, !which)) == place(id, !which),
		       "mremap: %m");
		which = !which;
		movers[id].at = place(id, which);
	}
	return NULL;
}

static void *drop(void *argument)
{
	while (!stop)
		madvise(argument, PAGES * PAGE, MADV_DONTNEED);
	return NULL;
}

static bool is_mapped(char *at)
{
	unsigned char pages[PAGES];

	return !mincore(at, PAGES * PAGE, pages);
}

static void look(uintptr_t id)
{
	char *at = movers[id].at;
	bool first = is_mapped(place(id, 0));

	expect(first != is_mapped(place(id, 1)), "a mapping is in two places, or in none");
	expect(!at || is_mapped(at), "a mapping is not where it was");
	at = place(id, !first);
	check(at, PAGES, 70 + id, movers[id].at ? "a mapping that had moved" : "one on its way");
}

static void fork_one(void)
{
	pid_t pid = fork();

	expect(pid >= 0, "fork: %m");
	if (!pid) {
		for (uintptr_t i = 0; i < MOVERS; i++)
			look(i);
		_exit(0);
	}
	wait_good(pid, "a child");
}

int main(void)
{
	pthread_t threads[MOVERS + 1];
	char *dropped = anonymous(PAGES);

	hazard_start();
	fill(dropped, PAGES, 1);
	for (uintptr_t i = 0; i < MOVERS; i++) {
		char *at = mmap(place(i, 0), PAGES * PAGE, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

		expect(at == place(i, 0), "mmap: %m");
		fill(at, PAGES, 70 + i);
		evict_most(at, PAGES);
		movers[i].at = at;
	}
	for (uintptr_t i = 0; i < MOVERS; i++)
		expect(!pthread_create(&threads[i], NULL, move, (void *)i), "pthread_create");
	expect(!pthread_create(&threads[MOVERS], NULL, drop, dropped), "pthread_create");
	for (unsigned int i = 0; i < CHILDREN; i++)
		fork_one();
	stop = true;
	for (unsigned int i = 0; i <= MOVERS; i++)
		pthread_join(threads[i], NULL);
	for (uintptr_t i = 0; i < MOVERS; i++)
		check(movers[i].at, PAGES, 70 + i, "a mapping in the end");
	return 0;
}
