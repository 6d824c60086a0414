/* SPDX-License-Identifier: MIT */
/*
 * Description: a mapping moves into the hole that another one's unmapped end has left, all of it
 * swapped, and moves on from there while the empty mapping stays (MREMAP_DONTUNMAP). Another
 * thread's calls are in flight all the time.
 */
#include "hazard.h"

#define PAGES  64
#define KEPT   16
#define INSIDE 40 /* where in the hole */
#define SMALL  4
#define ROUNDS 5

static atomic_bool stop, go;

static void *drops(void *argument)
{
	char *at = anonymous(PAGES);

	while (!stop) {
		if (!go) {
			pause_ms(1);
			continue;
		}
		*(volatile char *)at = 1;
		madvise(at, PAGE, MADV_DONTNEED);
	}
	return argument;
}

static char *move(char *from, size_t pages, size_t new_pages, int flags, char *to)
{
	char *at = mremap(from, pages * PAGE, new_pages * PAGE,
			  MREMAP_MAYMOVE | MREMAP_FIXED | flags, to);

	expect(at == to, "mremap: %m");
	return at;
}

static char *free_place(size_t pages)
{
	char *at = anonymous(pages);

	munmap(at, pages * PAGE);
	return at;
}

static void round_of(uint64_t seed)
{
	char *large = anonymous(PAGES), *small = anonymous(3 * SMALL) + SMALL * PAGE;
	char *place, *other;

	fill(large, PAGES, seed);
	fill(small, SMALL, seed + 1);
	if (!evict(large, PAGES) || !evict(small, SMALL))
		skip("pages do not leave");
	place = free_place(4 * PAGES);
	other = place + 3 * PAGES * PAGE;
	go = true;
	large = move(large, PAGES, PAGES + KEPT, 0, place);
	munmap(large + KEPT * PAGE, PAGES * PAGE);
	small = move(small, SMALL, SMALL, MREMAP_DONTUNMAP, place + INSIDE * PAGE);
	small = move(small, SMALL, SMALL, MREMAP_DONTUNMAP, other);
	go = false;
	check(small, SMALL, seed + 1, "what moved into the hole");
	check(large, KEPT, seed, "what moved first");
	munmap(large, KEPT * PAGE);
	munmap(place + INSIDE * PAGE, SMALL * PAGE);
	munmap(small, SMALL * PAGE);
}

int main(void)
{
	pthread_t thread;

	hazard_start();
	expect(!pthread_create(&thread, NULL, drops, NULL), "pthread_create");
	for (uint64_t round = 0; round < ROUNDS; round++)
		round_of(2 * round);
	stop = true;
	pthread_join(thread, NULL);
	return 0;
}
