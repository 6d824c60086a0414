/* SPDX-License-Identifier: MIT */
/*
 * Description: not a test by itself: fills MiB of memory of a kind, then reads STEPS of its pages
 * at random. Arguments: kind, MiB, steps. Prints "right" at the end; says "WRONG" and ends with 3
 * when a page does not hold its number.
 *
 *   plain      read-write memory
 *   readonly   the same, made read-only once it is full
 *   code       memory that is executable, too
 *   noise      plain memory that does not compress; it stays for five seconds more
 *   file       pages of a private file mapping that were written to; they stay as long
 *   apart      plain memory of many processes, 2 MiB each; they read when the input ends
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096ul
#define PART 2ul /* MiB */

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	return *state ^= *state << 17;
}

static int empty_file(size_t bytes)
{
	int file = memfd_create("immobile", MFD_CLOEXEC);

	if (file < 0 || ftruncate(file, (off_t)bytes)) {
		perror("immobile: memfd_create");
		exit(1);
	}
	return file;
}

/* Every page is its own; without noise it compresses well. `file`: -1, or what is mapped. */
static char *fill(size_t pages, int protection, bool noise, int file)
{
	uint64_t random = 88172645463325252ull;
	char *memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE | protection,
			    MAP_PRIVATE | (file < 0 ? MAP_ANONYMOUS : 0), file, 0);

	if (memory == MAP_FAILED) {
		perror("immobile: mmap");
		exit(1);
	}
	for (size_t i = 0; i < pages; i++) {
		for (size_t word = 0; word < PAGE / sizeof(size_t); word += 8)
			((size_t *)(memory + i * PAGE))[word] = i + word;
		for (size_t word = 1; noise && word < PAGE / sizeof(size_t); word++)
			((size_t *)(memory + i * PAGE))[word] = random_next(&random);
	}
	return memory;
}

static void read_all(const char *memory, size_t pages, unsigned long steps)
{
	uint64_t random = 88172645463325252ull;

	for (unsigned long step = 0; step < steps; step++) {
		size_t i = random_next(&random) % pages;

		if (*(const size_t *)(memory + i * PAGE) == i)
			continue;
		printf("WRONG: page %zu has %zu\n", i, *(const size_t *)(memory + i * PAGE));
		exit(3);
	}
}

/* Each has filled its part before any reads, and none ends before all have read. */
static int apart(size_t mib, unsigned long steps)
{
	int full[2], read_now[2], done = 0, status;
	char byte = 0;

	if (pipe(full) || pipe(read_now))
		return 1;
	for (size_t i = 0; i < mib / PART; i++) {
		char *memory;

		if (fork())
			continue;
		memory = fill(PART << 8, 0, false, -1);
		if (write(full[1], &byte, 1) != 1 || read(read_now[0], &byte, 1) != 1)
			_exit(1);
		read_all(memory, PART << 8, steps);
		_exit(0);
	}
	for (size_t i = 0; i < mib / PART; i++)
		if (read(full[0], &byte, 1) != 1)
			return 1;
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	for (size_t i = 0; i < mib / PART; i++)
		if (write(read_now[1], &byte, 1) != 1)
			return 1;
	while (wait(&status) > 0)
		done += WIFEXITED(status) && !WEXITSTATUS(status);
	return done == (int)(mib / PART) ? 0 : 3;
}

int main(int argc, char **argv)
{
	size_t mib = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
	unsigned long steps = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
	bool noise = false;
	int status = 0, file;
	char *memory;

	if (!mib)
		return 2;
	if (!strcmp(argv[1], "apart")) {
		status = apart(mib, steps);
	} else {
		noise = !strcmp(argv[1], "noise");
		file = strcmp(argv[1], "file") ? -1 : empty_file(mib << 20);
		memory = fill(mib << 8, strcmp(argv[1], "code") ? 0 : PROT_EXEC, noise, file);
		if (!strcmp(argv[1], "readonly") && mprotect(memory, mib << 20, PROT_READ))
			return 1;
		read_all(memory, mib << 8, steps);
		if (noise || file >= 0)
			sleep(5);
	}
	if (!status)
		puts("right");
	return status;
}
