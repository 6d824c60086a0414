/* SPDX-License-Identifier: MIT */
/*
 * toucher MIB END: fills MIB of memory with what does not compress, says "ready", and reads it all
 * over until the file END is there. Then it tells how many pages it touched, how many of them
 * raised SIGBUS or were wrong, and how long the slowest took. The first SIGBUS is told at once.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE_WORDS 512u

static sigjmp_buf again;

static void on_bus(int number)
{
	siglongjmp(again, number);
}

static uint64_t mix(uint64_t value)
{
	value = (value ^ value >> 31) * 0x9e3779b97f4a7c15u;
	value = (value ^ value >> 29) * 0xbf58476d1ce4e5b9u;
	return value ^ value >> 32;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

int main(int count, char **arguments)
{
	static volatile long touches, bus, wrong;
	static volatile double worst, began;
	static volatile uint64_t word, page;
	size_t pages;
	uint64_t *memory;

	/* What is unreadable shall be the pages it counts, not its stack or its libraries' data. */
	if (count != 3 || mlockall(MCL_CURRENT))
		return 2;
	pages = (size_t)atol(arguments[1]) * 256;
	memory = mmap(NULL, pages * PAGE_WORDS * 8, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 2;
	for (size_t i = 0; i < pages * PAGE_WORDS; i++)
		memory[i] = mix(i + 1);
	signal(SIGBUS, on_bus);
	puts("ready");
	fflush(stdout);
	while (access(arguments[2], F_OK)) {
		touches++;
		page = mix(page + (uint64_t)touches) % pages;
		word = page * PAGE_WORDS + (uint64_t)touches % PAGE_WORDS;
		began = now();
		if (sigsetjmp(again, 1)) {
			if (!bus++ && write(STDOUT_FILENO, "bus\n", 4) < 0)
				return 2;
			continue;
		}
		if (((volatile uint64_t *)memory)[word] != mix(word + 1))
			wrong++;
		if (now() - began > worst)
			worst = now() - began;
	}
	printf("touches %ld bus %ld wrong %ld worst_ms %.0f\n", touches, bus, wrong, worst * 1000);
	return wrong ? 1 : 0;
}
