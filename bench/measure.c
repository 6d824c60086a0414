// SPDX-License-Identifier: MIT
/*
 * measure: runs a command, optionally in a memory cgroup, and writes one JSON
 * object about it: wall time, CPU time of it and of every process it waited
 * for, and what the memory of all of them was, looked at from outside.
 *
 *   measure [--cgroup DIR] [--out FILE] [--samples CSV] [--every MS]
 *           [--walk SAMPLES] [--zram zramN] [--zswap] [--budget BYTES] -- COMMAND...
 *
 * CPU time is getrusage's: under a cgroup limit the kernel reclaims in the
 * program's own context, so its work is in there; that of kernel threads is
 * not. With `vswap run` the owner is the command itself, so it is in there too.
 *
 * Every --walk samples (10) new processes are looked for; where many short ones make
 * up the memory, 1. Memory is resident - shared of /proc/PID/statm (RssAnon) summed over the
 * command and its descendants; pages shared after a fork count in each. The
 * overshoot is the most that the sum was over --budget, from one second after it
 * first came within a tenth of the budget.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench/descendants.h"
#include "bench/histogram.h"
#include "bench/options.h"

#define PROCESSES_MOST 256

struct watched {
	pid_t pid;
	int statm;
};

static struct {
	const char *cgroup, *zram;
	bool zswap;
	uint64_t budget;
	FILE *samples;
	uint64_t every_ms;
	uint64_t walk_every; /* samples */
	struct watched process[PROCESSES_MOST];
	int processes;
	uint64_t start_ns, pressure_ns;
	uint64_t anonymous_peak, resident_peak, pool_peak, pool_data_peak, anonymous_peak_late;
	uint64_t count;
} measure = {.every_ms = 5, .walk_every = 10};

static void die(const char *what)
{
	fprintf(stderr, "measure: %s: %s\n", what, strerror(errno));
	exit(125);
}

static void watch(pid_t pid)
{
	char path[64];

	for (int i = 0; i < measure.processes; i++)
		if (measure.process[i].pid == pid)
			return;
	if (measure.processes == PROCESSES_MOST)
		return;
	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	int statm = open(path, O_RDONLY | O_CLOEXEC);
	if (statm >= 0)
		measure.process[measure.processes++] = (struct watched){pid, statm};
}

/* Bytes that swapped pages take in RAM, and how many bytes they stand for. */
static uint64_t kernel_pool(uint64_t *data)
{
	unsigned long long original = 0, compressed, used = 0, kib;
	char path[96], line[128];
	FILE *file;

	if (measure.zram) {
		snprintf(path, sizeof(path), "/sys/block/%s/mm_stat", measure.zram);
		file = fopen(path, "re");
		if (!file || fscanf(file, "%llu %llu %llu", &original, &compressed, &used) != 3)
			used = 0;
		if (file)
			fclose(file);
	}
	file = measure.zswap ? fopen("/proc/meminfo", "re") : NULL;
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "Zswap: %llu kB", &kib) == 1)
			used = kib << 10;
		if (sscanf(line, "Zswapped: %llu kB", &kib) == 1)
			original = kib << 10;
	}
	if (file)
		fclose(file);
	*data = original;
	return used;
}

static void highest(uint64_t *peak, uint64_t value)
{
	if (value > *peak)
		*peak = value;
}

static void sample(pid_t root)
{
	uint64_t anonymous = 0, resident_sum = 0, now = bench_now(), data;
	uint64_t pool = kernel_pool(&data);

	if (measure.count++ % measure.walk_every == 0) {
		watch(root);
		each_descendant(root, watch);
	}
	for (int i = 0; i < measure.processes; i++) {
		unsigned long long total, resident, shared;
		char line[128];
		ssize_t length = pread(measure.process[i].statm, line, sizeof(line) - 1, 0);

		if (length <= 0) {
			close(measure.process[i].statm);
			measure.process[i--] = measure.process[--measure.processes];
			continue;
		}
		line[length] = '\0';
		if (sscanf(line, "%llu %llu %llu", &total, &resident, &shared) != 3)
			continue;
		anonymous += (resident - shared) * 4096;
		resident_sum += resident * 4096;
	}
	highest(&measure.anonymous_peak, anonymous);
	highest(&measure.resident_peak, resident_sum);
	highest(&measure.pool_peak, pool);
	highest(&measure.pool_data_peak, data);
	if (!measure.pressure_ns && anonymous + anonymous / 9 >= measure.budget)
		measure.pressure_ns = now;
	if (measure.pressure_ns && now - measure.pressure_ns >= 1000000000)
		highest(&measure.anonymous_peak_late, anonymous);
	if (measure.samples)
		fprintf(measure.samples, "%.4f,%llu,%llu,%llu\n", (now - measure.start_ns) * 1e-9,
			(unsigned long long)anonymous, (unsigned long long)resident_sum,
			(unsigned long long)pool);
}

static void enter_cgroup(void)
{
	char path[512];
	FILE *file;

	if (!measure.cgroup)
		return;
	snprintf(path, sizeof(path), "%s/cgroup.procs", measure.cgroup);
	file = fopen(path, "we");
	if (!file || fprintf(file, "%d\n", getpid()) < 0 || fclose(file))
		die(path);
}

static pid_t start(char **command)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	enter_cgroup();
	execvp(command[0], command);
	die(command[0]);
	return -1;
}

static double seconds_of(struct timeval time)
{
	return time.tv_sec + time.tv_usec * 1e-6;
}

static void report(FILE *out, double wall, int status)
{
	struct rusage usage;

	getrusage(RUSAGE_CHILDREN, &usage);
	fprintf(out,
		"{\"wall_seconds\":%.4f,\"user_seconds\":%.3f,\"system_seconds\":%.3f,"
		"\"cpu_seconds\":%.3f,\"exit_status\":%d,\"budget_bytes\":%llu,"
		"\"anonymous_peak_bytes\":%llu,\"anonymous_peak_after_1s_bytes\":%llu,"
		"\"resident_peak_bytes\":%llu,\"pool_peak_bytes\":%llu,\"pool_data_peak_bytes\":%"
		"llu,"
		"\"samples\":%llu,"
		"\"major_faults\":%ld}\n",
		wall, seconds_of(usage.ru_utime), seconds_of(usage.ru_stime),
		seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime), status,
		(unsigned long long)measure.budget, (unsigned long long)measure.anonymous_peak,
		(unsigned long long)measure.anonymous_peak_late,
		(unsigned long long)measure.resident_peak, (unsigned long long)measure.pool_peak,
		(unsigned long long)measure.pool_data_peak, (unsigned long long)measure.count,
		usage.ru_majflt);
}

static void usage(void)
{
	fprintf(stderr,
		"usage: measure [--cgroup DIR] [--out FILE] [--samples CSV] [--every MS]\n"
		"               [--walk SAMPLES] [--zram zramN] [--zswap] [--budget BYTES]\n"
		"               -- COMMAND...\n");
	exit(125);
}

static FILE *open_to_write(const char *path)
{
	FILE *file = fopen(path, "we");

	if (!file)
		die(path);
	return file;
}

/* Where the command begins. */
static int parse(int argc, char **argv, FILE **out)
{
	const char *out_path = NULL, *samples = NULL;
	int at;

	for (at = 1; at < argc && strcmp(argv[at], "--") != 0; at++)
		if (!option_text(argv, &at, "--cgroup", &measure.cgroup) &&
		    !option_text(argv, &at, "--out", &out_path) &&
		    !option_text(argv, &at, "--samples", &samples) &&
		    !option_number(argv, &at, "--every", &measure.every_ms) &&
		    !option_number(argv, &at, "--walk", &measure.walk_every) &&
		    !option_text(argv, &at, "--zram", &measure.zram) &&
		    !option_is(argv, &at, "--zswap", &measure.zswap) &&
		    !option_number(argv, &at, "--budget", &measure.budget))
			usage();
	if (at + 1 >= argc || !measure.every_ms || !measure.walk_every)
		usage();
	*out = out_path ? open_to_write(out_path) : stderr;
	measure.samples = samples ? open_to_write(samples) : NULL;
	return at + 1;
}

int main(int argc, char **argv)
{
	FILE *out;
	int first = parse(argc, argv, &out), status = 0;
	sigset_t child;
	pid_t pid;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	measure.start_ns = bench_now();
	pid = start(argv + first);
	/* Only now, so that the command starts with a clean mask. */
	sigprocmask(SIG_BLOCK, &child, NULL);
	while (!waitpid(pid, &status, WNOHANG)) {
		struct timespec every = {(time_t)(measure.every_ms / 1000),
					 (long)(measure.every_ms % 1000 * 1000000)};

		sample(pid);
		sigtimedwait(&child, NULL, &every);
	}
	status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	report(out, (bench_now() - measure.start_ns) * 1e-9, status);
	return status;
}
