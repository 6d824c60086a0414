/* SPDX-License-Identifier: MIT */
/*
 * Description: not a test by itself: runs a command and looks each 5 ms at the anonymous memory of
 * it and all its descendants, daemonized ones too. Pages that processes share after a fork
 * stand in RssAnon of each, so where that sum is over the limit Pss_Anon decides, which
 * divides them. Prints the most that it was, in percent of the limit, from one second after it
 * first came within a tenth of it. Its status is the command's; 125 when it could not be started.
 *
 *   treebudget --limit MIB [--every MS] -- COMMAND...
 */
#include "trees.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../../bench/descendants.h"

#define MOST_PROCESSES 256
/* How often the tree is walked, in samples. */
#define WALK_EVERY 4

static struct {
	uint64_t limit_mib, every_ms, limit_kib;
	pid_t processes[MOST_PROCESSES];
	unsigned int count, most;
	unsigned long samples, divided;
	double pressure_since;
	uint64_t highest, highest_sum;
} budget = {.every_ms = 5};

static void note(pid_t pid)
{
	if (budget.count < MOST_PROCESSES)
		budget.processes[budget.count++] = pid;
}

/* A figure in KiB of a file in /proc/PID; 0 if there is none (any more). */
static uint64_t figure(pid_t pid, const char *name, const char *key)
{
	char path[64], text[4096], *at;
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[got > 0 ? got : 0] = 0;
	at = strstr(text, key);
	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static uint64_t sum(const char *name, const char *key)
{
	uint64_t total = 0;

	for (unsigned int i = 0; i < budget.count; i++)
		total += figure(budget.processes[i], name, key);
	return total;
}

static void sample(void)
{
	uint64_t anonymous, all;
	double now = seconds_now();

	if (budget.samples++ % WALK_EVERY == 0) {
		budget.count = 0;
		each_descendant(getpid(), note);
	}
	if (budget.count > budget.most)
		budget.most = budget.count;
	all = anonymous = sum("status", "RssAnon:");
	if (anonymous > budget.limit_kib) {
		anonymous = sum("smaps_rollup", "Pss_Anon:");
		budget.divided++;
	}
	if (!budget.pressure_since && anonymous >= budget.limit_kib / 10 * 9)
		budget.pressure_since = now;
	if (!budget.pressure_since || now - budget.pressure_since < 1)
		return;
	if (anonymous > budget.highest)
		budget.highest = anonymous;
	if (all > budget.highest_sum)
		budget.highest_sum = all;
}

static pid_t start(char **command)
{
	pid_t pid = fork();

	if (pid < 0) {
		perror("treebudget: fork");
		exit(125);
	}
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execvp(command[0], command);
	fprintf(stderr, "treebudget: %s: %m\n", command[0]);
	_exit(125);
}

/* Samples until all are gone; orphans come here. */
static int follow(pid_t pid)
{
	int result = 125, status;
	pid_t got;

	while ((got = waitpid(-1, &status, WNOHANG)) >= 0 || errno != ECHILD) {
		if (got == pid)
			result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		if (got > 0)
			continue;
		sample();
		pause_ms((unsigned int)budget.every_ms);
	}
	return result;
}

int main(int argc, char **argv)
{
	int first = 1, status;

	for (; first < argc && strcmp(argv[first], "--") != 0; first++) {
		if (!number_option(argv, &first, "--limit", &budget.limit_mib) &&
		    !number_option(argv, &first, "--every", &budget.every_ms))
			break;
	}
	if (!budget.limit_mib || first + 1 >= argc || strcmp(argv[first], "--") != 0) {
		fprintf(stderr, "usage: treebudget --limit MIB [--every MS] -- COMMAND...\n");
		return 125;
	}
	budget.limit_kib = budget.limit_mib << 10;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	status = follow(start(argv + first + 1));
	fprintf(stderr,
		"treebudget: highest %.1f %% of %llu MiB; sum of RssAnon %.1f %%; %u processes at "
		"most, %lu samples, Pss_Anon in %lu\n",
		100.0 * (double)budget.highest / (double)budget.limit_kib,
		(unsigned long long)budget.limit_mib,
		100.0 * (double)budget.highest_sum / (double)budget.limit_kib, budget.most,
		budget.samples, budget.divided);
	return status;
}
