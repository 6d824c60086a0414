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
	static pthread_t threads[THREADS];
	double end = seconds_now() + 6;

	hazard_start();
	for (uintptr_t i = 0; i < THREADS; i++)
		expect(!pthread_create(&threads[i], NULL, worker, (void *)i), "thread %d", (int)i);
	while (seconds_now() < end)
		press();
	stop = true;
	for (uintptr_t i = 0; i < THREADS; i++) {
		void *result;

		expect(!pthread_join(threads[i], &result) && result == (void *)i, "join");
	}
	return 0;
}
