/* SPDX-License-Identifier: MIT */
/*
 * Description: threads send themselves signals while others drop pages all the time, so that the
 * program is stopped again and again for the faults that wait meanwhile. A thread that stops for a
 * signal still gets it, and each touch comes to its end. So it is in an orphan, whom the owner
 * waits for.
 */
#include "hazard.h"

#define DROPPERS 2
#define SENDERS	 4
#define PAGES	 2048ul
#define SECONDS	 5
/* Far above what a touch takes. */
#define MOST_SECONDS 3

static atomic_bool stop;
static _Thread_local volatile sig_atomic_t handled;

static void handler(int signal)
{
	(void)signal;
	handled++;
}

/* It is handled before the call that sends it returns. */
static void *send(void *argument)
{
	for (sig_atomic_t sent = 1; !stop; sent++) {
		expect(!pthread_kill(pthread_self(), SIGUSR1), "pthread_kill: %m");
		expect(handled == sent, "of %d signals %d came", sent, handled);
	}
	return argument;
}

/* Pages far from each other: each is a fault of its own. */
static void *touch(void *cold)
{
	double end = seconds_now() + SECONDS;

	for (uint64_t i = 0; seconds_now() < end; i++) {
		size_t page = mix(i) % PAGES;
		double began = seconds_now();

		expect(page_is((char *)cold + page * PAGE, 1, page), "page %zu is wrong", page);
		expect(seconds_now() - began < MOST_SECONDS, "a touch took %.1f s",
		       seconds_now() - began);
		if (i % 64 == 63)
			press();
	}
	stop = true;
	return cold;
}

static void test(void)
{
	pthread_t threads[DROPPERS + SENDERS], toucher;
	char *cold = anonymous(PAGES);

	fill(cold, PAGES, 1);
	evict_most(cold, PAGES);
	for (int i = 0; i < DROPPERS + SENDERS; i++)
		expect(!pthread_create(&threads[i], NULL, i < DROPPERS ? drop_until : send, &stop),
		       "pthread_create");
	expect(!pthread_create(&toucher, NULL, touch, cold), "pthread_create");
	send(NULL);
	pthread_join(toucher, NULL);
	for (int i = 0; i < DROPPERS + SENDERS; i++)
		pthread_join(threads[i], NULL);
}

/* The same in a process that has come to the owner, its parent having ended. */
static void test_orphan(void)
{
	int ends[2];
	pid_t child;
	char byte;

	expect(!pipe(ends), "pipe: %m");
	child = fork();
	expect(child >= 0, "fork: %m");
	if (!child && !fork()) {
		close(ends[0]);
		test();
		expect(write(ends[1], "", 1) == 1, "write: %m");
		_exit(0);
	}
	if (!child)
		_exit(0);
	wait_good(child, "the parent of an orphan");
	close(ends[1]);
	expect(read(ends[0], &byte, 1) == 1, "an orphan was wrong");
}

int main(void)
{
	struct sigaction action = {.sa_handler = handler};

	hazard_start();
	sigaction(SIGUSR1, &action, NULL);
	test_orphan();
	test();
	return 0;
}
