/* SPDX-License-Identifier: MIT */
/*
 * Description: the first thread leaves by pthread_exit; others go on with swapped memory. When the
 * last of the program's own threads ends, the process ends, whatever else is in it.
 */
#include "hazard.h"

#define PAGES 2048

static void *worker(void *argument)
{
	uint64_t seed = (uintptr_t)argument;
	char *at = anonymous(PAGES);

	fill(at, PAGES, seed);
	pause_ms(300 * seed);
	if (seed == 1)
		for (int i = 0; i < 4; i++)
			press();
	check(at, PAGES, seed, "a thread's memory");
	return NULL;
}

int main(void)
{
	pthread_t thread;

	hazard_start();
	for (uintptr_t i = 1; i <= 4; i++)
		expect(!pthread_create(&thread, NULL, worker, (void *)i), "pthread_create");
	pthread_exit(NULL);
}
