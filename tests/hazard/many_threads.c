/* SPDX-License-Identifier: MIT */
/*
 * Description: two hundred threads, each with its own memory and stack, all cold in turn.
 */
#include "hazard.h"

#define THREADS 200
#define PAGES	64

static atomic_bool stop;

static void *worker(void *argument)
{
	uint64_t seed = (uintptr_t)argument;
	char *at = anonymous(PAGES);
	volatile char frame[3 * PAGE];

	for (size_t i = 0; i < sizeof frame; i += 512)
		frame[i] = (char)(seed + i / 512);
	fill(at, PAGES, seed);
	while (!stop) {
		pause_ms(100 + seed % 100);
		check(at, PAGES, seed, "a thread's memory");
		for (size_t i = 0; i < sizeof frame; i += 512)
			expect(frame[i] == (char)(seed + i / 512), "a thread's stack");
	}
	return argument;
}

int main(void)
{
	hazard_start();
	press_beside(worker, THREADS, &stop, 6);
	return 0;
}
