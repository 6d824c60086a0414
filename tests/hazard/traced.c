/* SPDX-License-Identifier: MIT */
/*
 * Description: a debugger attaches to a program whose memory is swapped, stops it, looks at its
 * registers and leaves, several times. vswap keeps away meanwhile and goes on later.
 */
#include "hazard.h"
#include <sys/ptrace.h>
#include <sys/user.h>

#define PAGES 4096

static void debugger(pid_t pid)
{
	for (int round = 0; round < 6; round++) {
		struct user_regs_struct registers;
		int status, tries = 0;

		/* vswap may hold it for a moment. */
		while (ptrace(PTRACE_SEIZE, pid, NULL, NULL)) {
			if (++tries > 200)
				_exit(errno == EPERM ? 77 : 1);
			pause_ms(10);
		}
		if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) ||
		    waitpid(pid, &status, __WALL) != pid)
			fail("the debugger could not stop it: %m");
		if (WIFSTOPPED(status) && ptrace(PTRACE_GETREGS, pid, NULL, &registers))
			fail("PTRACE_GETREGS: %m");
		pause_ms(100);
		ptrace(PTRACE_CONT, pid, NULL, NULL);
		pause_ms(300);
		ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
		waitpid(pid, &status, __WALL);
		ptrace(PTRACE_DETACH, pid, NULL, NULL);
		pause_ms(100);
	}
	_exit(0);
}

int main(void)
{
	pid_t self = getpid(), pid;
	char *at;
	int status = 0;

	hazard_start();
	/* Before there is anything to swap: the debugger has a small memory of its own. */
	pid = fork();
	if (pid == 0) {
		pause_ms(500);
		debugger(self);
	}
	at = anonymous(PAGES);
	fill(at, PAGES, 12);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		check(at, PAGES, 12, "under a debugger");
		press();
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip("it may not be traced here");
	expect(status == 0, "the debugger ended with %x", status);
	for (int i = 0; i < 3; i++)
		press();
	check(at, PAGES, 12, "after the debugger left");
	return 0;
}
