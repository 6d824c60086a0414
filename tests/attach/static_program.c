/* SPDX-License-Identifier: MIT */
/* A program without shared libraries, with a few threads: counts in its memory, checks it, and
 * ends with 0 when its standard input ends. */
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PAGES 1024
static uint64_t memory[PAGES][512];
static _Atomic int stop;

static void *work(void *argument)
{
	uintptr_t own = (uintptr_t)argument;
	uint64_t turn = 0;

	for (; !stop; turn++) {
		for (uintptr_t i = own; i < PAGES; i += 4) {
			if (memory[i][own] != turn * i)
				_exit(3);
			memory[i][own] = (turn + 1) * i;
		}
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[4];
	char byte;

	for (uintptr_t i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, work, (void *)i);
	printf("%p\n", (void *)memory);
	fflush(stdout);
	while (read(0, &byte, 1) == 1)
		;
	stop = 1;
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
