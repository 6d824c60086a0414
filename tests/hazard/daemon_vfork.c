/* SPDX-License-Identifier: MIT */
/*
 * Description: an orphan, whose parent ended at once as a daemon's does, starts a program (vfork)
 * before anything else, and the first page that it needs is one that its vfork child touches.
 */
#include "hazard.h"

#define PAGES 1024

static int result[2];
static char *at, *fresh;

/* Nothing here may be on a page that has to be brought in before vfork. */
static void daemon_runs(void)
{
	int bad = 0;
	pid_t pid = vfork();

	if (!pid) {
		*fresh = 1;
		execl("/bin/sleep", "sleep", "2", (char *)NULL);
		_exit(4);
	}
	for (size_t p = 0; p < PAGES; p++)
		*(volatile uint64_t *)(at + p * PAGE) = page_word(31, p, 0);
	for (size_t p = 0; p < PAGES; p++)
		bad += !page_is(at + p * PAGE, 31, p);
	kill(pid, SIGKILL);
	_exit(write(result[1], &bad, sizeof(bad)) != sizeof(bad));
}

int main(void)
{
	int bad = -1, status;
	pid_t pid;

	hazard_start();
	expect(!pipe(result), "pipe: %m");
	at = anonymous(PAGES);
	anonymous(1);
	fresh = anonymous(64) + 40 * PAGE;
	anonymous(1);
	fill(at, PAGES, 31);
	evict_most(at, PAGES);
	pid = (pid_t)syscall(SYS_fork);
	if (!pid) {
		if (!syscall(SYS_fork))
			daemon_runs();
		syscall(SYS_exit_group, 0);
	}
	expect(pid > 0 && waitpid(pid, &status, 0) == pid, "the parent in between: %m");
	close(result[1]);
	expect(read(result[0], &bad, sizeof(bad)) == sizeof(bad), "the daemon was killed");
	expect(!bad, "%d of %d pages are wrong", bad, PAGES);
	return 0;
}
