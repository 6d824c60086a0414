// SPDX-License-Identifier: MIT
/*
 * spawn: starts many processes that end at once, one after another, as a shell does
 * (fork, exec of /bin/true, wait), and says how long each took.
 *
 *   spawn [--count N] [--mib N]
 *
 * With --mib there is a large process beside it, a child that fills so much memory
 * and then touches a page of it at random, over and over, until all are done.
 * It checks what it reads.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench/histogram.h"
#include "bench/options.h"
#include "bench/pattern.h"

/* What the large process tells. */
struct shared {
	_Atomic bool filled;
	_Atomic uint64_t touches;
};

static void die(const char *what)
{
	fprintf(stderr, "spawn: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void large(struct shared *shared, size_t pages)
{
	uint64_t random = 88172645463325252ull;
	uint64_t *data = pattern_fill("word", pages);

	if (!data)
		die("the large process");
	shared->filled = true;
	for (;; shared->touches++) {
		size_t page = pattern_random(&random) % pages;

		if (!pattern_holds(data, page)) {
			fprintf(stderr, "spawn: page %zu of the large process is wrong\n", page);
			_exit(1);
		}
		data[page * PATTERN_WORDS + 3]++;
	}
}

static pid_t start_large(struct shared *shared, size_t mib)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		large(shared, mib * (1048576 / PATTERN_BYTES));
	}
	while (!shared->filled && !waitpid(pid, NULL, WNOHANG))
		usleep(1000);
	return pid;
}

static void start_short(void)
{
	static char *const arguments[] = {"true", NULL};
	int status;
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid) {
		execv("/bin/true", arguments);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || status) {
		fprintf(stderr, "spawn: a short process ended badly (status %#x)\n", status);
		exit(1);
	}
}

/* The large process must still be there: it ends by itself only when its data was wrong. */
static void end_large(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status)) {
		fprintf(stderr, "spawn: the large process did not last\n");
		exit(1);
	}
}

int main(int argc, char **argv)
{
	struct shared *shared = mmap(NULL, PATTERN_BYTES, PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t count = 10000, mib = 0, start, took, touches;
	pid_t pid = 0;

	for (int at = 1; at < argc; at++)
		if (!option_number(argv, &at, "--count", &count) &&
		    !option_number(argv, &at, "--mib", &mib))
			count = 0;
	if (!count) {
		fprintf(stderr, "usage: spawn [--count N] [--mib N]\n");
		return 2;
	}
	if (shared == MAP_FAILED)
		die("mmap");
	if (mib)
		pid = start_large(shared, mib);
	touches = shared->touches;
	start = bench_now();
	for (uint64_t i = 0; i < count; i++)
		start_short();
	took = bench_now() - start;
	touches = shared->touches - touches;
	if (pid)
		end_large(pid);
	printf("{\"phase\":\"spawn\",\"count\":%lu,\"ns_each\":%llu,\"touches\":%llu,"
	       "\"touches_per_second\":%.0f}\n",
	       (unsigned long)count, (unsigned long long)(took / count),
	       (unsigned long long)touches, touches / (took * 1e-9));
	return 0;
}
