/* SPDX-License-Identifier: MIT */
/*
 * Description: one job of several that share a budget: M MiB of checked data that it reads and
 * rewrites at random for some seconds (SIGUSR1: that is enough), or leaves alone (--idle) and
 * checks at the end. Says how many pages it looked at and what it had resident before the last
 * check. --daemon: leaves its parent, session and terminal first, with the data that the parent
 * wrote.
 */
#include "trees.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct options {
	uint64_t mib, hot, seconds, seed;
	bool idle, daemon;
} options = {.mib = 32, .seconds = 5, .seed = 1};

static char *data;
static uint32_t *generations, newest;
static unsigned long looked;
static volatile sig_atomic_t enough;

static void end_work(int signal)
{
	(void)signal;
	enough = 1;
}

static void check(size_t page)
{
	char *at = data + page * PAGE;

	looked++;
	if (content_wrong(at, options.seed, generations[page]) == PAGE_WORDS)
		return;
	fprintf(stderr, "jobs: FAILED: page %zu of pid %d is wrong\n", page, getpid());
	content_explain("jobs", at, options.seed, generations[page], newest);
	exit(1);
}

static void rewrite(size_t page)
{
	generations[page] = ++newest;
	content_write(data + page * PAGE, options.seed, newest);
}

static unsigned long resident_kib(void)
{
	unsigned long kib = 0;
	char line[200];
	FILE *status = fopen("/proc/self/status", "re");

	while (status && fgets(line, sizeof(line), status))
		if (sscanf(line, "RssAnon: %lu", &kib) == 1)
			break;
	if (status)
		fclose(status);
	return kib;
}

static void work(size_t pages)
{
	uint64_t random = options.seed;
	double end = seconds_now() + (double)options.seconds;

	while (!enough && seconds_now() < end) {
		for (unsigned int i = 0; i < 100; i++) {
			size_t page = trees_random(&random) % pages;

			check(page);
			if (trees_random(&random) % 4 == 0)
				rewrite(page);
		}
	}
}

/* The first process ends at once, the second as soon as it has a session. */
static void leave(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		pid_t pid = fork();

		if (pid < 0) {
			perror("jobs: fork");
			exit(1);
		}
		if (pid)
			_exit(0);
		if (!i)
			setsid();
	}
}

int main(int argc, char **argv)
{
	size_t pages;
	unsigned long resident;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--idle")) {
			options.idle = true;
		} else if (!strcmp(argv[i], "--daemon")) {
			options.daemon = true;
		} else if (!number_option(argv, &i, "--mib", &options.mib) &&
			   !number_option(argv, &i, "--hot", &options.hot) &&
			   !number_option(argv, &i, "--seconds", &options.seconds) &&
			   !number_option(argv, &i, "--seed", &options.seed)) {
			fprintf(stderr,
				"usage: jobs [--mib N] [--hot MIB] [--seconds N] [--seed N] "
				"[--idle] [--daemon]\n");
			return 2;
		}
	}
	signal(SIGUSR1, end_work);
	pages = options.mib * MIB_PAGES;
	data = map_private(pages * PAGE);
	/* In shared memory, so that a page and its generation cannot go wrong together. */
	generations = map_shared(pages * sizeof(*generations));
	for (size_t page = 0; page < pages; page++)
		rewrite(page);
	if (options.daemon)
		leave();
	if (options.idle)
		pause_ms((unsigned int)options.seconds * 1000);
	else
		work(options.hot ? options.hot * MIB_PAGES : pages);
	resident = resident_kib();
	printf("jobs: %s %lu pages looked at, %lu KiB resident\n",
	       options.idle ? "idle:" : "busy:", looked, resident);
	for (size_t page = 0; page < pages; page++)
		check(page);
	printf("jobs: %s right\n", options.idle ? "idle:" : "busy:");
	return 0;
}
