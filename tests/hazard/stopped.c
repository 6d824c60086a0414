/* SPDX-License-Identifier: MIT */
/*
 * Description: the program is stopped and continued (SIGSTOP, SIGCONT) at random moments while
 * memory is short: the thread inside it that moves pages stops in the middle of its work,
 * too, and must not hold anything up or lose a page.
 */
#include "hazard.h"

#define PAGES 4096

int main(void)
{
	pid_t self = getpid(), pid = fork();
	uint64_t random = 1;
	char *at;
	int status;

	hazard_start();
	if (pid == 0) {
		for (int i = 0; i < 120; i++) {
			random = mix(random);
			pause_ms(5 + random % 40);
			kill(self, SIGSTOP);
			pause_ms(random % 8 == 0 ? 300 : random % 20);
			kill(self, SIGCONT);
		}
		_exit(0);
	}
	at = anonymous(PAGES);
	fill(at, PAGES, 13);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		check(at, PAGES, 13, "stopped and continued");
		press();
		expect(!madvise(at, PAGES / 4 * PAGE, MADV_DONTNEED), "madvise: %m");
		check_zero(at, PAGES / 4, "dropped, stopped and continued");
		fill(at, PAGES / 4, 13);
	}
	expect(status == 0, "the stopper ended with %x", status);
	return 0;
}
