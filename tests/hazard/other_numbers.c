/* SPDX-License-Identifier: MIT */
/*
 * Description: a child that is not its parent's (CLONE_PARENT) lives in another PID namespace,
 * where it has the number that a relative has here, or one that nobody has. It is not taken for the
 * relative: it has what that one has unmapped, and what is under MADV_WIPEONFORK is empty, also
 * while events come without end ("busy").
 */
#include "hazard.h"
#include <linux/sched.h>
#include <sched.h>

#define PAGES 2048
#define WIPED 256

struct shared {
	atomic_bool unmapped, done;
};

static struct shared *shared;
static char *at;
static char stack[65536] __attribute__((aligned(4096)));
static volatile unsigned int drops;

/* The child's end is told to nobody: its parent does not know of it. `number`: in its innermost
 * namespace; 0: any. */
static pid_t clone_sibling(pid_t number)
{
	struct clone_args arguments = {.flags = CLONE_PARENT};

	if (number) {
		arguments.set_tid = (uintptr_t)&number;
		arguments.set_tid_size = 1;
	}
	return (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
}

static void wait_for(atomic_bool *what)
{
	double end = seconds_now() + 30;

	while (!*what && seconds_now() < end)
		pause_ms(5);
	if (!*what)
		_exit(1);
}

/* Has unmapped the second half. */
static pid_t make_relative(void)
{
	pid_t pid = clone_sibling(0);

	if (pid)
		return pid;
	munmap(at + PAGES / 2 * PAGE, PAGES / 2 * PAGE);
	shared->unmapped = true;
	wait_for(&shared->done);
	_exit(0);
}

/* Has a relative's number in a namespace of its own. */
static void make_namesake(pid_t relative)
{
	pid_t pid = clone_sibling(relative);

	if (pid)
		_exit(pid < 0 ? 77 : 0);
	check(at, PAGES, 40, "of one with a relative's number");
	_exit(0);
}

/* Events without end, from before the first fault on. It calls nothing that could fault. */
static int drop_again_and_again(void *argument)
{
	while (true) {
		long result;

		__asm__ volatile("syscall"
				 : "=a"(result)
				 : "a"(SYS_madvise), "D"(argument), "S"(PAGE), "d"(MADV_DONTNEED)
				 : "rcx", "r11", "memory");
		drops++;
	}
	return 0;
}

static void be_wiped(const char *wiped, char *more, bool busy)
{
	if (busy) {
		clone(drop_again_and_again, stack + sizeof(stack),
		      CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			      CLONE_SYSVSEM,
		      more);
		while (drops < 3)
			;
	}
	check_zero(wiped, WIPED, "the wiped range");
	_exit(0);
}

static void make_wiped(bool busy)
{
	char *wiped = anonymous(WIPED), *more = anonymous(1);
	pid_t pid;

	expect(!madvise(wiped, WIPED * PAGE, MADV_WIPEONFORK), "WIPEONFORK: %m");
	fill(wiped, WIPED, 41);
	fill(more, 1, 42);
	must_evict(wiped, WIPED);
	fill(more, 1, 43);
	memset(stack, 1, sizeof(stack));
	pid = clone_sibling(0);
	expect(pid >= 0, "clone3: %m");
	if (!pid)
		be_wiped(wiped, more, busy);
	_exit(0);
}

/* The first process of a namespace. What its child clones becomes its own. */
static void be_first(pid_t relative, const char *how)
{
	int status, bad = 0;
	pid_t pid = fork();

	expect(pid >= 0, "fork: %m");
	if (!pid && relative)
		make_namesake(relative);
	if (!pid)
		execl("/proc/self/exe", "other_numbers", how, NULL);
	while (waitpid(-1, &status, __WALL) > 0)
		if (status && !bad)
			bad = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	_exit(bad);
}

static void run(pid_t relative, const char *how)
{
	pid_t pid = fork(), first;

	expect(pid >= 0, "fork: %m");
	if (pid)
		return wait_good(pid, how);
	if (unshare(CLONE_NEWPID))
		skip("unshare: %m");
	first = fork();
	if (!first)
		be_first(relative, how);
	wait_good(first, how);
	_exit(0);
}

int main(int count, char **arguments)
{
	pid_t relative;

	hazard_start();
	if (count > 1)
		make_wiped(!strcmp(arguments[1], "busy"));
	run(0, "wiped");
	for (int i = 0; i < 4; i++)
		run(0, "busy");
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	expect(shared != MAP_FAILED, "mmap: %m");
	at = anonymous(PAGES);
	fill(at, PAGES, 40);
	evict_most(at, PAGES);
	relative = make_relative();
	expect(relative > 0, "clone3: %m");
	wait_for(&shared->unmapped);
	run(relative, "namesake");
	shared->done = true;
	return 0;
}
