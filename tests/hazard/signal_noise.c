/* SPDX-License-Identifier: MIT */
/*
 * Description: a timer signal every millisecond interrupts faults on swapped pages, in user code
 * and inside read(2) and write(2); nothing is lost, nothing fails.
 */
#include "hazard.h"

#define PAGES 1024

static volatile unsigned int count;

static void handler(int signal)
{
	(void)signal;
	count++;
}

int main(void)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
	struct itimerspec every = {{0, 1000000}, {0, 1000000}};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	timer_t timer;
	char *at = anonymous(PAGES), *to = anonymous(PAGES);
	int ends[2];

	hazard_start();
	fill(at, PAGES, 21);
	memset(to, 1, PAGES * PAGE);
	evict_most(at, PAGES);
	sigaction(SIGUSR1, &action, NULL);
	expect(!timer_create(CLOCK_MONOTONIC, &event, &timer), "timer_create: %m");
	timer_settime(timer, 0, &every, NULL);
	expect(!pipe(ends), "pipe: %m");
	for (int round = 0; round < 3 || count < 20; round++) {
		press();
		for (size_t p = 0; p < PAGES; p++) {
			expect(write(ends[1], at + p * PAGE, PAGE) == (ssize_t)PAGE, "write: %m");
			expect(read(ends[0], to + p * PAGE, PAGE) == (ssize_t)PAGE, "read: %m");
		}
		check(at, PAGES, 21, "the source");
		check(to, PAGES, 21, "the copy");
	}
	return 0;
}
