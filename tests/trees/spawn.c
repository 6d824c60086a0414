/* SPDX-License-Identifier: MIT */
/*
 * Description: N short processes one after the other from a parent that holds M MiB of checked
 * data: by fork and exec, by vfork and exec, by posix_spawn in turn, a few at once.
 */
#include "trees.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static struct options {
	uint64_t processes, mib, seed, at_once;
} options = {.processes = 2000, .mib = 32, .seed = 1, .at_once = 2};

static char *data;

static void check_some(uint64_t *random, size_t count)
{
	size_t pages = options.mib * MIB_PAGES;

	while (pages && count--) {
		size_t page = trees_random(random) % pages;
		char *at = data + page * PAGE;

		if (content_wrong(at, options.seed, (uint32_t)page + 1) == PAGE_WORDS)
			continue;
		fprintf(stderr, "spawn: FAILED: page %zu of pid %d is wrong\n", page, getpid());
		content_explain("spawn", at, options.seed, (uint32_t)page + 1, (uint32_t)pages);
		exit(1);
	}
}

static pid_t start(uint64_t number)
{
	char *arguments[] = {"true", NULL};
	pid_t pid;
	int error;

	if (number % 3 == 2) {
		error = posix_spawn(&pid, "/bin/true", NULL, NULL, arguments, environ);
		if (!error)
			return pid;
		fprintf(stderr, "spawn: posix_spawn: %s\n", strerror(error));
		exit(1);
	}
	pid = number % 3 ? vfork() : fork();
	if (!pid) {
		execv("/bin/true", arguments);
		_exit(127);
	}
	if (pid < 0) {
		perror("spawn: fork");
		exit(1);
	}
	return pid;
}

static void reap(void)
{
	int status;
	pid_t pid = wait(&status);

	if (pid > 0 && !status)
		return;
	fprintf(stderr, "spawn: FAILED: child %d ended with status %x\n", pid, status);
	exit(1);
}

static void parse(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!number_option(argv, &i, "--processes", &options.processes) &&
		    !number_option(argv, &i, "--mib", &options.mib) &&
		    !number_option(argv, &i, "--at-once", &options.at_once) &&
		    !number_option(argv, &i, "--seed", &options.seed)) {
			fprintf(stderr, "usage: spawn [--processes N] [--mib N] [--at-once N] "
					"[--seed N]\n");
			exit(2);
		}
	}
	if (!options.at_once)
		options.at_once = 1;
}

int main(int argc, char **argv)
{
	uint64_t random, running = 0;
	double before, seconds;

	parse(argc, argv);
	random = options.seed;
	data = map_private(options.mib * MIB_PAGES * PAGE + PAGE);
	for (uint32_t page = 0; page < options.mib * MIB_PAGES; page++)
		content_write(data + page * PAGE, options.seed, page + 1);
	alarm(900);
	before = seconds_now();
	for (uint64_t number = 0; number < options.processes; number++) {
		if (running == options.at_once) {
			reap();
			running--;
		}
		start(number);
		running++;
		check_some(&random, 4);
	}
	while (running--)
		reap();
	seconds = seconds_now() - before;
	check_some(&random, options.mib * MIB_PAGES);
	printf("spawn: %llu processes in %.3f s, %.0f us each\n",
	       (unsigned long long)options.processes, seconds,
	       seconds * 1e6 / (double)(options.processes ? options.processes : 1));
	return 0;
}
