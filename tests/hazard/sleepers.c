/* SPDX-License-Identifier: MIT */
/*
 * Description: a thread that waits for something sleeps on while the program's new memory is looked
 * through. (What a stop breaks off waits anew, with its whole time-out.)
 */
#include <sys/epoll.h>
#include "hazard.h"

#define PAGES	2048ul
#define SECONDS 3
/* Of some dozens of stops that it would wake for. */
#define WAKES_MOST 5
#define GROWN_MIB  64ul

static atomic_int sleeper_tid;

static void *sleep_on(void *argument)
{
	struct epoll_event event;
	int nothing = epoll_create1(0);

	sleeper_tid = (int)syscall(SYS_gettid);
	epoll_wait(nothing, &event, 1, -1);
	fail("a call that waits for ever: %m");
	return argument;
}

static long wakes(void)
{
	char line[64], path[48];
	long count = -1;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", sleeper_tid);
	status = fopen(path, "re");
	expect(status, "%s: %m", path);
	while (count < 0 && fgets(line, sizeof(line), status))
		if (sscanf(line, "voluntary_ctxt_switches: %ld", &count) != 1)
			count = -1;
	fclose(status);
	return count;
}

/* New mappings, filled as fast as may be, and none stays for long. */
static void grow(void)
{
	double end = seconds_now() + SECONDS;
	char *at[GROWN_MIB] = {0};

	for (size_t i = 0; seconds_now() < end; i = (i + 1) % GROWN_MIB) {
		if (at[i])
			munmap(at[i], 1 << 20);
		at[i] = anonymous((1 << 20) / PAGE);
		fill(at[i], (1 << 20) / PAGE, i);
	}
}

int main(void)
{
	pthread_t sleeper;
	char *cold;
	long before;

	hazard_start();
	cold = anonymous(PAGES);
	fill(cold, PAGES, 1);
	expect(!pthread_create(&sleeper, NULL, sleep_on, NULL), "pthread_create");
	evict_most(cold, PAGES);
	before = wakes();
	grow();
	expect(wakes() - before <= WAKES_MOST, "it woke %ld times beside new memory",
	       wakes() - before);
	return 0;
}
