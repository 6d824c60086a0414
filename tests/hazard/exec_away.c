/* SPDX-License-Identifier: MIT */
/*
 * Description: a forked child shares its memory with a process of its own (CLONE_VM) and calls
 * exec: the other one reads and writes what has left, and forks.
 */
#include <sched.h>
#include "hazard.h"

#define PAGES 1024
#define STACK 65536

static int result[2] = {-1, -1};
static char *at = "";
static char swapped[] = "HAZARD_SWAPPED=1";
static char *arguments[] = {"exec_away", "elsewhere", NULL}, *environment[] = {swapped, NULL};

/* By its name: that of the link that it is called by. */
static bool is_elsewhere(pid_t pid)
{
	char path[64], name[32] = "";
	int file;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = open(path, O_RDONLY);
	if (file < 0 || read(file, name, sizeof(name) - 1) < 0)
		return false;
	close(file);
	return !strncmp(name, "exe\n", 4);
}

/* The program that was called needs more than the budget as well: pages of it leave. */
static int elsewhere(void)
{
	char *pages = anonymous(PAGES);

	hazard_start();
	fill(pages, PAGES, 33);
	do
		press();
	while (under_vswap() && resident(pages, PAGES) > PAGES / 2);
	check(pages, PAGES, 33, "after exec");
	return 0;
}

static int count_wrong(size_t from, size_t to)
{
	int bad = 0;

	for (size_t p = from; p < to; p++)
		bad += !page_is(at + p * PAGE, 32, p);
	return bad;
}

static int stay(void *argument)
{
	pid_t gone = getppid(), pid;
	int bad, status = 0;

	(void)argument;
	while (!is_elsewhere(gone))
		pause_ms(1);
	bad = count_wrong(0, PAGES / 2);
	for (size_t p = PAGES / 2; p < PAGES; p++)
		*(volatile uint64_t *)(at + p * PAGE) = page_word(32, p, 0);
	bad += count_wrong(PAGES / 2, PAGES);
	pid = (pid_t)syscall(SYS_fork);
	if (!pid)
		_exit(count_wrong(0, PAGES) != 0);
	waitpid(pid, &status, 0);
	bad += status != 0;
	expect(write(result[1], &bad, sizeof(bad)) == sizeof(bad), "write: %m");
	while (getppid() == gone)
		pause_ms(10);
	_exit(0);
}

/* All that it needs before exec is there. */
static __attribute__((noinline)) pid_t start(char *stack)
{
	pid_t pid = (pid_t)syscall(SYS_fork);

	if (!pid) {
		if (clone(stay, stack, CLONE_VM | SIGCHLD, NULL) < 0)
			_exit(3);
		execve("/proc/self/exe", arguments, environment);
		_exit(4);
	}
	return pid;
}

int main(int argc, char **argv)
{
	char *stack;
	int bad = -1;
	pid_t pid;

	if (argc > 1)
		return elsewhere();
	(void)argv;
	hazard_start();
	stack = anonymous(STACK / PAGE) + STACK;
	expect(!pipe(result), "pipe: %m");
	at = anonymous(PAGES);
	fill(at, PAGES, 32);
	evict_most(at, PAGES);
	pause_ms(300); /* what has not left by then stays while it is touched here */
	memset(stack - STACK, 1, STACK);
	arguments[2] = NULL;
	environment[1] = NULL;
	swapped[sizeof(swapped) - 2] = under_vswap() ? '1' : '0';
	pid = start(stack);
	expect(pid > 0, "fork: %m");
	close(result[1]);
	expect(read(result[0], &bad, sizeof(bad)) == sizeof(bad), "who has the memory was killed");
	expect(!bad, "%d of %d pages are wrong", bad, PAGES);
	wait_good(pid, "the process that called exec");
	return 0;
}
