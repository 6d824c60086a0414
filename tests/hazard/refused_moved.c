/* SPDX-License-Identifier: MIT */
/*
 * Description: a mapping has just moved, guards drop all of it that is resident, and an munmap of
 * more than it is refused, while other threads' calls are in flight: what is swapped stays.
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
static char *sealed_place(void)
{
	char *at = anonymous(PAGES + 1);

	expect(!mprotect(at + PAGES * PAGE, PAGE, PROT_NONE), "mprotect: %m");
	if (syscall(SYS_mseal, at + PAGES * PAGE, PAGE, 0))
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

static void try(char *from, char *to, uint64_t seed)
{
	bool dropped[PAGES];

	(void)*(volatile char *)from; /* one is resident */
	expect(mremap(from, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to,
	       "mremap: %m");
	guard_resident(to, dropped);
	expect(munmap(to, (PAGES + 1) * PAGE), "a sealed page was unmapped");
	for (size_t p = 0; p < PAGES; p++)
		expect(page_is(to + p * PAGE, seed, p) ||
			       (dropped[p] && page_is_zero(to + p * PAGE)),
		       "page %zu is %s", p, page_is_zero(to + p * PAGE) ? "zeros" : "wrong");
}

int main(void)
{
	char *from[AREAS], *to[AREAS];
	pthread_t threads[2];

	hazard_start();
	for (size_t n = 0; n < AREAS; n++) {
		from[n] = anonymous(PAGES);
		to[n] = sealed_place();
		fill(from[n], PAGES, n);
		fill(to[n], PAGES, AREAS);
	}
	for (int i = 0; i < 4; i++)
		press();
	for (int i = 0; i < 2; i++)
		expect(!pthread_create(&threads[i], NULL, drops, NULL), "pthread_create");
	for (size_t n = 0; n < AREAS; n++)
		try(from[n], to[n], n);
	stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
