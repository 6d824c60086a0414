/* SPDX-License-Identifier: MIT */
/*
 * victim: a process to try vswap on. It prints its pid when it is ready, then
 *
 *   victim memory MIB   fills so much memory, checks it until its input ends; 1: it was wrong
 *   victim replaced MIB the same, but not before; at a first line of input half of it is replaced
 * by shared memory, which vswap is not told of (SHM_REMAP), and it says so victim seccomp installs
 * a filter that allows everything victim traced       is traced by its parent victim debug PID
 * traces that process until its own input ends
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <poll.h>
#include <unistd.h>

#define PAGE_WORDS 512

static int ready(pid_t pid)
{
	return printf("%d\n", (int)pid) < 0 || fflush(stdout);
}

static void wait_for_end_of_input(void)
{
	char byte;

	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

/* Neither zeros nor one repeated word: half of each page changes with its number. */
static uint64_t word_of(uint64_t page, uint64_t word)
{
	uint64_t x = (page + 1) * 0x9e3779b97f4a7c15ull ^ word * 0xbf58476d1ce4e5b9ull;

	return word % 2 ? x : page;
}

static int debug(pid_t pid)
{
	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL)) {
		perror("victim: PTRACE_SEIZE");
		return 1;
	}
	if (ready(getpid()))
		return 1;
	wait_for_end_of_input();
	return 0;
}

static int check_pages(const uint64_t *memory, uint64_t page, uint64_t end)
{
	for (; page < end; page++)
		for (uint64_t word = 0; word < PAGE_WORDS; word++)
			if (memory[page * PAGE_WORDS + word] != word_of(page, word)) {
				fprintf(stderr, "victim: page %llu is wrong\n",
					(unsigned long long)page);
				return 1;
			}
	return 0;
}

/* Filled, and announced. NULL: no memory. */
static uint64_t *fill(uint64_t mib)
{
	uint64_t *bytes =
		mmap(NULL, mib << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (bytes == MAP_FAILED)
		return NULL;
	for (uint64_t page = 0; page < mib * 256; page++)
		for (uint64_t word = 0; word < PAGE_WORDS; word++)
			bytes[page * PAGE_WORDS + word] = word_of(page, word);
	printf("%d %llx\n", (int)getpid(), (unsigned long long)(uintptr_t)bytes);
	fflush(stdout);
	return bytes;
}

static int memory(uint64_t mib)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	uint64_t *bytes = fill(mib);

	if (!bytes)
		return 2;
	do
		if (check_pages(bytes, 0, mib * 256))
			return 1;
	while (poll(&input, 1, 50) == 0);
	return check_pages(bytes, 0, mib * 256);
}

static int replaced(uint64_t mib)
{
	uint64_t *bytes = fill(mib);
	int id = shmget(IPC_PRIVATE, mib << 19, IPC_CREAT | 0600);
	char byte;

	if (!bytes || id < 0 || read(STDIN_FILENO, &byte, 1) != 1)
		return 2;
	if (shmat(id, bytes, SHM_REMAP) != bytes)
		return 2;
	shmctl(id, IPC_RMID, NULL);
	puts("replaced");
	fflush(stdout);
	wait_for_end_of_input();
	return check_pages(bytes, mib * 128, mib * 256);
}

static int seccomp(void)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = {.len = 1, .filter = &allow};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return 2;
	if (ready(getpid()))
		return 2;
	wait_for_end_of_input();
	return 0;
}

static int traced(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	if (pid < 0 || ptrace(PTRACE_SEIZE, pid, NULL, NULL) || ready(pid))
		return 2;
	wait_for_end_of_input();
	/* Still there and unharmed? */
	if (kill(pid, SIGKILL) || waitpid(pid, NULL, 0) != pid)
		return 1;
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "memory"))
		return memory(strtoull(argv[2], NULL, 10));
	if (argc == 3 && !strcmp(argv[1], "replaced"))
		return replaced(strtoull(argv[2], NULL, 10));
	if (argc == 2 && !strcmp(argv[1], "seccomp"))
		return seccomp();
	if (argc == 2 && !strcmp(argv[1], "traced"))
		return traced();
	if (argc == 3 && !strcmp(argv[1], "debug"))
		return debug(atoi(argv[2]));
	fputs("usage: victim memory MIB | replaced MIB | seccomp | traced | debug PID\n", stderr);
	return 2;
}
