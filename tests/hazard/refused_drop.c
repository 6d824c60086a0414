/* SPDX-License-Identifier: MIT */
/*
 * Description: madvise(MADV_DONTNEED) tells of its pages, and is refused then, since another thread
 * has locked or moved the mapping meanwhile: nothing was dropped.
 */
#include "hazard.h"

#define AREAS	   300
#define PAGES	   4
#define APART	   (1ul << 21)
#define SPINS	   30000u /* some tens of microseconds */
#define LOCK_LATER 1	  /* MLOCK_ONFAULT */

static char *areas[AREAS], *elsewhere;
static atomic_size_t turn, done;

static char *place(size_t n)
{
	return elsewhere + n * APART;
}

static void change(size_t n)
{
	size_t bytes = PAGES * PAGE;

	if (n % 2)
		syscall(SYS_mlock2, areas[n], bytes, LOCK_LATER);
	else
		expect(mremap(areas[n], bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, place(n)) ==
			       place(n),
		       "mremap: %m");
}

static void *changes(void *argument)
{
	for (size_t n = 0; n < AREAS; n++) {
		while (turn <= n)
			;
		for (volatile unsigned int i = mix(n) % SPINS; i; i--)
			;
		change(n);
		done = n + 1;
	}
	return argument;
}

/* One that was refused. */
static bool drop(size_t n)
{
	bool refused;
	char *at;

	turn = n + 1;
	refused = madvise(areas[n], PAGES * PAGE, MADV_DONTNEED);
	while (done <= n)
		;
	at = n % 2 ? areas[n] : place(n);
	munlock(at, PAGES * PAGE);
	for (size_t p = 0; p < PAGES; p++)
		expect(page_is(at + p * PAGE, n, p) || (!refused && page_is_zero(at + p * PAGE)),
		       "area %zu, %s: page %zu is %s", n, refused ? "refused" : "dropped", p,
		       page_is_zero(at + p * PAGE) ? "zeros" : "wrong");
	return refused;
}

int main(void)
{
	size_t refused = 0;
	pthread_t thread;

	hazard_start();
	elsewhere = mmap(NULL, AREAS * APART, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	expect(elsewhere != MAP_FAILED, "mmap: %m");
	for (size_t n = 0; n < AREAS; n++) {
		areas[n] = anonymous(2 * PAGES);
		expect(!mprotect(areas[n] + PAGES * PAGE, PAGES * PAGE, PROT_NONE), "mprotect: %m");
		fill(areas[n], PAGES, n);
	}
	for (int i = 0; i < 4; i++)
		press();
	expect(!pthread_create(&thread, NULL, changes, NULL), "pthread_create");
	for (size_t n = 0; n < AREAS; n++)
		refused += drop(n);
	pthread_join(thread, NULL);
	if (!refused)
		skip("madvise was never refused");
	return 0;
}
