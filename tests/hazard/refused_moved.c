/* SPDX-License-Identifier: MIT */
/*
 * Description: a mapping has just moved, guards drop all of it that is resident, and an munmap of
 * more than it is refused, while other threads' calls are in flight: what is swapped stays. So it
 * does where a mapping has moved on and come back, to half of where it had been.
 */
#include "hazard.h"

#define AREAS 16
#define PAGES 64

static atomic_bool stop;

static void *drops(void *argument)
{
	char *at = anonymous(1);

	while (!stop) {
		*(volatile char *)at = 1;
		madvise(at, PAGE, MADV_DONTNEED);
	}
	return argument;
}

/* A place, with a page behind it that cannot be unmapped. */
static char *sealed_place(size_t pages)
{
	char *at = anonymous(pages + 1);

	expect(!mprotect(at + pages * PAGE, PAGE, PROT_NONE), "mprotect: %m");
	if (syscall(SYS_mseal, at + pages * PAGE, PAGE, 0))
		skip("no mseal here: %m");
	return at;
}

static void guard_resident(char *at, bool dropped[PAGES])
{
	for (size_t p = 0; p < PAGES; p++) {
		dropped[p] = resident(at + p * PAGE, 1);
		if (dropped[p] && madvise(at + p * PAGE, PAGE, MADV_GUARD_INSTALL))
			skip("no guards here: %m");
		if (dropped[p])
			madvise(at + p * PAGE, PAGE, MADV_GUARD_REMOVE);
	}
}

static char *move(char *from, char *to)
{
	expect(mremap(from, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to,
	       "mremap: %m");
	return to;
}

/* Moves it there, away, and back to where half of it had been. */
static char *move_and_back(char *at, char *to)
{
	char *away = anonymous(PAGES);

	return move(move(move(at, to), away), to + PAGES / 2 * PAGE);
}

static void try_back(char *at, uint64_t seed)
{
	size_t room = PAGES + PAGES / 2;
	char *to = sealed_place(room);

	(void)*(volatile char *)at;
	at = move_and_back(at, to);
	expect(munmap(to, (room + 1) * PAGE), "a sealed page was unmapped");
	check(at, PAGES, seed, "what came back");
}

static void try(char *from, char *to, uint64_t seed)
{
	bool dropped[PAGES];

	(void)*(volatile char *)from; /* one is resident */
	move(from, to);
	guard_resident(to, dropped);
	expect(munmap(to, (PAGES + 1) * PAGE), "a sealed page was unmapped");
	for (size_t p = 0; p < PAGES; p++)
		expect(page_is(to + p * PAGE, seed, p) ||
			       (dropped[p] && page_is_zero(to + p * PAGE)),
		       "page %zu is %s", p, page_is_zero(to + p * PAGE) ? "zeros" : "wrong");
}

int main(void)
{
	char *from[AREAS], *to[AREAS], *back[AREAS];
	pthread_t threads[2];

	hazard_start();
	for (size_t n = 0; n < AREAS; n++) {
		from[n] = anonymous(PAGES);
		back[n] = anonymous(PAGES);
		to[n] = sealed_place(PAGES);
		fill(from[n], PAGES, n);
		fill(back[n], PAGES, n);
		fill(to[n], PAGES, AREAS);
	}
	for (int i = 0; i < 4; i++)
		press();
	for (int i = 0; i < 2; i++)
		expect(!pthread_create(&threads[i], NULL, drops, NULL), "pthread_create");
	for (size_t n = 0; n < AREAS; n++) {
		try(from[n], to[n], n);
		try_back(back[n], n);
	}
	stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
