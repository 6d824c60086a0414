/* SPDX-License-Identifier: MIT */
/*
 * Description: a server that forks its workers beforehand: SIZE MiB of checked data that has
 * become cold, then N children that read random pages of it and check them; every second one
 * rewrites pages too. What was rewritten is noted in shared memory, which vswap never pages.
 * --cold: how long the data lies before the fork; --quiet: how long nobody touches it after.
 */
#include "trees.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_CHILDREN 64

static struct options {
	uint64_t mib, children, seconds, cold, quiet, seed, writers;
} options = {.mib = 96, .children = 16, .seconds = 5, .cold = 2, .seed = 1, .writers = 2};

static struct counts {
	atomic_ulong read, written;
	atomic_uint generation;
	atomic_bool failed, stop;
} * counts;

static char *data;
static size_t pages;
/* Generations; row 0 is the parent's, row N the Nth child's own where it is not 0. */
static uint32_t *rewritten;

static uint32_t generation_of(unsigned int row, size_t page)
{
	uint32_t own = rewritten[row * pages + page];

	return own ? own : (uint32_t)page + 1;
}

static void check(unsigned int row, size_t page)
{
	uint32_t generation = generation_of(row, page);
	char *at = data + page * PAGE;

	atomic_fetch_add(&counts->read, 1);
	if (content_wrong(at, options.seed, generation) == PAGE_WORDS)
		return;
	fprintf(stderr, "prefork: FAILED: process %u, pid %d: page %zu at %p is wrong\n", row,
		getpid(), page, (void *)at);
	content_explain("prefork", at, options.seed, generation, atomic_load(&counts->generation));
	atomic_store(&counts->failed, true);
	_exit(1);
}

static void rewrite(unsigned int row, size_t page)
{
	uint32_t generation = atomic_fetch_add(&counts->generation, 1) + 1;

	content_write(data + page * PAGE, options.seed, generation);
	rewritten[row * pages + page] = generation;
	atomic_fetch_add(&counts->written, 1);
}

static void serve(unsigned int row, bool writes)
{
	uint64_t random = options.seed * 1000003 + row;

	while (!atomic_load(&counts->stop) && !atomic_load(&counts->failed)) {
		size_t page = trees_random(&random) % pages;

		check(row, page);
		if (writes && trees_random(&random) % 8 == 0)
			rewrite(row, page);
	}
}

/* The children share out the pages that none of them has changed. */
static void check_rest(unsigned int row, unsigned int shares)
{
	for (size_t page = 0; page < pages; page++)
		if (page % shares == row % shares || rewritten[row * pages + page])
			check(row, page);
}

static void child_main(unsigned int row)
{
	/* A parent that is gone will not say stop. */
	alarm((unsigned int)(120 + 4 * (options.seconds + options.quiet)));
	pause_ms((unsigned int)options.quiet * 1000);
	serve(row, options.writers && row % options.writers == 0);
	check_rest(row, 8);
	_exit(0);
}

static double fork_children(pid_t *children)
{
	double start = seconds_now();

	for (unsigned int n = 0; n < options.children; n++) {
		children[n] = fork();
		if (!children[n])
			child_main(n + 1);
		if (children[n] < 0) {
			perror("prefork: fork");
			atomic_store(&counts->stop, true);
			exit(1);
		}
	}
	return seconds_now() - start;
}

static int wait_children(const pid_t *children)
{
	int result = 0;

	for (unsigned int n = 0; n < options.children; n++) {
		int status;

		if (waitpid(children[n], &status, 0) != children[n] || status) {
			fprintf(stderr, "prefork: FAILED: child %u, pid %d: status %x\n", n + 1,
				children[n], status);
			result = 1;
		}
	}
	return result;
}

static void parse(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!number_option(argv, &i, "--mib", &options.mib) &&
		    !number_option(argv, &i, "--children", &options.children) &&
		    !number_option(argv, &i, "--seconds", &options.seconds) &&
		    !number_option(argv, &i, "--cold", &options.cold) &&
		    !number_option(argv, &i, "--quiet", &options.quiet) &&
		    !number_option(argv, &i, "--writers", &options.writers) &&
		    !number_option(argv, &i, "--seed", &options.seed)) {
			fprintf(stderr, "usage: prefork [--mib N] [--children N] [--seconds N] "
					"[--cold SECONDS] "
					"[--quiet SECONDS] [--writers 0: none, N: every Nth child] "
					"[--seed N]\n");
		}
	}
	if (!options.mib || !options.children || options.children > MOST_CHILDREN) {
		fprintf(stderr, "prefork: 1 MiB or more, 1 to %d children\n", MOST_CHILDREN);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	pid_t children[MOST_CHILDREN];
	double start, forking;
	int result;

	parse(argc, argv);
	pages = options.mib * MIB_PAGES;
	data = map_private(pages * PAGE);
	counts = map_shared(sizeof(*counts));
	rewritten = map_shared((options.children + 1) * pages * sizeof(*rewritten));
	for (size_t page = 0; page < pages; page++)
		content_write(data + page * PAGE, options.seed, (uint32_t)page + 1);
	atomic_store(&counts->generation, (uint32_t)pages);
	pause_ms((unsigned int)options.cold * 1000);
	forking = fork_children(children);
	printf("prefork: forked\n");
	fflush(stdout);
	pause_ms((unsigned int)options.quiet * 1000);
	start = seconds_now();
	while (seconds_now() - start < (double)options.seconds && !atomic_load(&counts->failed)) {
		uint64_t random = (uint64_t)(seconds_now() * 1e6);

		check(0, trees_random(&random) % pages);
		pause_ms(1);
	}
	atomic_store(&counts->stop, true);
	result = wait_children(children);
	check_rest(0, 1);
	printf("prefork: %lu pages checked, %lu rewritten, %llu children forked in %.1f ms over "
	       "%llu "
	       "MiB\n",
	       atomic_load(&counts->read), atomic_load(&counts->written),
	       (unsigned long long)options.children, forking * 1e3,
	       (unsigned long long)options.mib);
	return result || atomic_load(&counts->failed);
}
