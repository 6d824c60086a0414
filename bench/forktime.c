// SPDX-License-Identifier: MIT
/*
 * forktime: what fork costs a process whose data is swapped out for the most part.
 *
 *   forktime [--mib N] [--pattern NAME] [--forks N]
 *
 * It fills N MiB in order, rests until the swap has done its work, and forks some
 * times, one child at a time. Each child lives until the parent has looked at what
 * it takes, then reads some of its pages and ends. One line of JSON:
 *
 *   fork_ns          median of the time in fork(), in the parent
 *   child_read_ns    median of the time of one of the child's reads, at random
 *   swapped_bytes    of the data, before the first fork
 *   child_bytes      page tables of the child, before it reads
 *   owner_bytes      what the parent process (vswap's owner; without it measure, which
 *                    takes nothing) took more while the first child lived
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench/histogram.h"
#include "bench/options.h"
#include "bench/pattern.h"

#define READS	   64
#define FORKS_MOST 1000
/* Eviction is still at work when the last page has been filled. */
#define REST_US 300000

/* Lines of /proc/PID/status: what the owner takes; what a child takes, which shares the rest. */
static const char *const own_memory[] = {"RssAnon:", "RssShmem:", "VmPTE:", NULL};
static const char *const page_tables[] = {"VmPTE:", NULL};
static const char *const resident[] = {"RssAnon:", NULL};

static uint64_t *data;
static size_t pages;

static void die(const char *what)
{
	fprintf(stderr, "forktime: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The sum of some lines of a process's status, in bytes. */
static uint64_t memory_of(pid_t pid, const char *const *names)
{
	char path[64], line[256];
	uint64_t bytes = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	if (!file)
		die(path);
	while (fgets(line, sizeof(line), file))
		for (const char *const *name = names; *name; name++)
			if (!strncmp(line, *name, strlen(*name)))
				bytes += strtoull(line + strlen(*name), NULL, 10) << 10;
	fclose(file);
	return bytes;
}

/* Exit status of the child: 0 when all that it read was right. */
static int read_some(unsigned int seed, uint64_t *took_ns)
{
	uint64_t random = seed + 88172645463325252ull, start = bench_now();
	int wrong = 0;

	for (int i = 0; i < READS; i++) {
		size_t page = pattern_random(&random) % pages;

		wrong |= !pattern_holds(data, page);
	}
	*took_ns = (bench_now() - start) / READS;
	return wrong;
}

struct figures {
	uint64_t fork_ns, child_read_ns, child_bytes, owner_bytes;
};

static void child(unsigned int seed, int go, uint64_t *took_ns)
{
	char byte;

	if (read(go, &byte, 1) < 0)
		_exit(2);
	_exit(read_some(seed, took_ns));
}

static struct figures fork_once(unsigned int seed, uint64_t *took_ns)
{
	uint64_t owner = memory_of(getppid(), own_memory), start;
	struct figures figures;
	int go[2], status;
	pid_t pid;

	if (pipe(go))
		die("pipe");
	start = bench_now();
	pid = fork();
	if (!pid) {
		/* The parent's end: once that is closed there is nothing to read. */
		close(go[1]);
		child(seed, go[0], took_ns);
	}
	figures.fork_ns = bench_now() - start;
	if (pid < 0)
		die("fork");
	figures.child_bytes = memory_of(pid, page_tables);
	figures.owner_bytes = memory_of(getppid(), own_memory);
	figures.owner_bytes -= figures.owner_bytes < owner ? figures.owner_bytes : owner;
	close(go[0]);
	close(go[1]);
	if (waitpid(pid, &status, 0) != pid || status) {
		fprintf(stderr, "forktime: a child read wrong data, or ended badly (status %#x)\n",
			status);
		exit(1);
	}
	figures.child_read_ns = *took_ns;
	return figures;
}

static int by_value(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

static uint64_t median(uint64_t *values, int count)
{
	qsort(values, count, sizeof(*values), by_value);
	return values[count / 2];
}

static void measure(int forks)
{
	static uint64_t fork_ns[FORKS_MOST], read_ns[FORKS_MOST];
	uint64_t *took_ns = mmap(NULL, PATTERN_BYTES, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t all = pages * PATTERN_BYTES, here = memory_of(getpid(), resident);
	struct figures first = {0};

	if (took_ns == MAP_FAILED)
		die("mmap");
	for (int i = 0; i < forks; i++) {
		struct figures figures = fork_once(i + 1, took_ns);

		if (!i)
			first = figures;
		fork_ns[i] = figures.fork_ns;
		read_ns[i] = figures.child_read_ns;
	}
	printf("{\"phase\":\"fork\",\"forks\":%d,\"bytes\":%llu,\"swapped_bytes\":%llu,"
	       "\"first_fork_ns\":%llu,\"fork_ns\":%llu,\"child_read_ns\":%llu,"
	       "\"child_bytes\":%llu,\"owner_bytes\":%llu}\n",
	       forks, (unsigned long long)all, (unsigned long long)(all > here ? all - here : 0),
	       (unsigned long long)first.fork_ns, (unsigned long long)median(fork_ns, forks),
	       (unsigned long long)median(read_ns, forks), (unsigned long long)first.child_bytes,
	       (unsigned long long)first.owner_bytes);
}

int main(int argc, char **argv)
{
	uint64_t mib = 1024, forks = 10;
	const char *pattern = "word";

	for (int at = 1; at < argc; at++)
		if (!option_number(argv, &at, "--mib", &mib) &&
		    !option_text(argv, &at, "--pattern", &pattern) &&
		    !option_number(argv, &at, "--forks", &forks))
			mib = 0;
	if (!mib || !forks || forks > FORKS_MOST) {
		fprintf(stderr, "usage: forktime [--mib N] [--pattern NAME] [--forks N]\n");
		return 2;
	}
	pages = mib * (1048576 / PATTERN_BYTES);
	data = pattern_fill(pattern, pages);
	if (!data)
		die(pattern);
	usleep(REST_US);
	measure((int)forks);
	return 0;
}
