/* SPDX-License-Identifier: MIT */
/*
 * Description: memory at the lowest addresses that can be mapped, 0x10000 among them, keeps its
 * bytes, also while mappings change: no address is ours to try things at.
 */
#include "hazard.h"

#define END  0x20000ul
#define LAPS 4

static atomic_bool stop;

static char *map_low(void)
{
	for (uintptr_t start = 0; start < END; start = start ? start * 2 : PAGE) {
		void *at = mmap((void *)start, END - start, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

		if (at == (void *)start)
			return at;
	}
	skip("nothing can be mapped below %#lx", END);
}

/* Somebody's event is in flight most of the time. */
static void *change(void *argument)
{
	char *own = anonymous(16);

	while (!stop) {
		own[0] = 1;
		expect(!madvise(own, 16 * PAGE, MADV_DONTNEED), "madvise: %m");
	}
	return argument;
}

int main(void)
{
	char *at = map_low();
	size_t pages = (END - (uintptr_t)at) / PAGE;
	pthread_t changer;

	hazard_start();
	fill(at, pages, 6);
	expect(!pthread_create(&changer, NULL, change, NULL), "pthread_create");
	for (int lap = 0; lap < LAPS; lap++) {
		evict_most(at, pages);
		/* Time for a look at the process. */
		pause_ms(150);
		check(at, pages, 6, "low memory");
	}
	stop = true;
	pthread_join(changer, NULL);
	return 0;
}
