/* SPDX-License-Identifier: MIT */
/*
 * The fork storm's options, steps and end. See forkstorm.h.
 */
#include "forkstorm.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

struct options options = {.seed = 1, .mib = 48, .threads = 3};
struct shared *shared;
struct slot *self;
struct worker workers[MAX_WORKERS];
atomic_bool process_stop;

static _Thread_local struct worker *own; /* this thread's */

void beat(const char *operation)
{
	atomic_store_explicit(&self->worker[own->index].operation, operation, memory_order_relaxed);
	atomic_fetch_add_explicit(&self->worker[own->index].beat, 1, memory_order_relaxed);
}

void fail(struct worker *worker, const char *format, ...)
{
	char what[300];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	dprintf(STDERR_FILENO,
		"forkstorm: FAILED: pid %d depth %u worker %d in %s: %s; seed %llu\n", getpid(),
		self->depth, worker ? (int)worker->index : -1,
		worker ? atomic_load(&self->worker[worker->index].operation) : "-", what,
		(unsigned long long)options.seed);
	atomic_store(&shared->failed, true);
	_exit(1);
}

/* A page that is not there any more, or cannot be read. */
static void on_signal(int signal, siginfo_t *info, void *context)
{
	(void)context;
	dprintf(STDERR_FILENO, "forkstorm: FAILED: pid %d depth %u: signal %d at %p; seed %llu\n",
		getpid(), self->depth, signal, info->si_addr, (unsigned long long)options.seed);
	for (unsigned int w = 0; w < MAX_WORKERS; w++)
		if (atomic_load(&self->worker[w].active))
			dprintf(STDERR_FILENO, "forkstorm: worker %u in %s\n", w,
				atomic_load(&self->worker[w].operation));
	atomic_store(&shared->failed, true);
	_exit(1);
}

unsigned int below(struct worker *worker, unsigned int n)
{
	return (unsigned int)(trees_random(&worker->random) % n);
}

bool one_in(struct worker *worker, unsigned int n)
{
	return below(worker, n) == 0;
}

/* An inherited arena that no thread of this process has taken over. */
static void use_idle(struct worker *worker)
{
	struct worker *other = &workers[below(worker, MAX_WORKERS)];

	if (other == worker || !other->usable || other->running)
		return;
	pthread_mutex_lock(&other->lock);
	arena_operation(other);
	pthread_mutex_unlock(&other->lock);
}

void step(struct worker *worker)
{
	unsigned int kind = below(worker, 1000);

	beat("step");
	pthread_mutex_lock(&worker->lock);
	if (kind < 20)
		fork_operation(worker);
	else if (kind < 25)
		exec_operation(worker);
	else
		arena_operation(worker);
	pthread_mutex_unlock(&worker->lock);
	race_write(worker, 2);
	if (kind > 900)
		use_idle(worker);
	if (kind > 990)
		pause_ms(1);
	reap(worker, false);
	atomic_fetch_add(&shared->operations, 1);
}

void *worker_main(void *argument)
{
	struct worker *worker = argument;

	own = worker;
	beat("start");
	while (!atomic_load(&shared->stop) && !atomic_load(&process_stop))
		step(worker);
	reap(worker, true);
	atomic_store(&self->worker[worker->index].active, false);
	return NULL;
}

static void fill_all(void)
{
	unsigned int blocks =
		(unsigned int)(options.mib * MIB_PAGES / BLOCK_PAGES / options.threads);

	race_new();
	for (unsigned int w = 0; w < MAX_WORKERS; w++) {
		workers[w].index = w;
		workers[w].random = options.seed * 0x10001 + w;
		pthread_mutex_init(&workers[w].lock, NULL);
		workers[w].usable = w < options.threads;
		if (workers[w].usable)
			arena_new(&workers[w], blocks ? blocks : 1);
	}
}

static void limit_addresses(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_AS, &limit);
	if (limit.rlim_cur > ADDRESSES_MOST)
		limit.rlim_cur = ADDRESSES_MOST;
	setrlimit(RLIMIT_AS, &limit);
}

static void report(double seconds)
{
	printf("forkstorm: %lu pages checked, %lu operations, %lu forks, %u processes at once, "
	       "%lu threads, %lu execs, %lu ended early, %lu orphans, %lu killed, %lu moves "
	       "refused, %u writes, %.1f s, seed %llu\n",
	       atomic_load(&shared->pages), atomic_load(&shared->operations),
	       atomic_load(&shared->forks), atomic_load(&shared->most_living),
	       atomic_load(&shared->threads), atomic_load(&shared->execs),
	       atomic_load(&shared->early), atomic_load(&shared->orphans),
	       atomic_load(&shared->killed), atomic_load(&shared->refused),
	       atomic_load(&shared->generation), seconds, (unsigned long long)options.seed);
	fflush(stdout);
}

static void parse(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--kill"))
			options.kill = 1;
		else if (!number_option(argv, &i, "--pages", &options.pages) &&
			 !number_option(argv, &i, "--seed", &options.seed) &&
			 !number_option(argv, &i, "--seconds", &options.seconds) &&
			 !number_option(argv, &i, "--mib", &options.mib) &&
			 !number_option(argv, &i, "--threads", &options.threads) &&
			 !number_option(argv, &i, "--spoil", &options.spoil)) {
			fprintf(stderr,
				"usage: forkstorm [--pages N] [--seconds N] [--seed N] [--mib N] "
				"[--threads 1-%u] [--kill] [--spoil N]\n",
				MAX_WORKERS);
			exit(2);
		}
	}
	if (!options.pages && !options.seconds)
		options.seconds = 10;
	if (!options.threads || options.threads > MAX_WORKERS || !options.mib) {
		fprintf(stderr, "forkstorm: 1 to %u threads, 1 MiB or more\n", MAX_WORKERS);
		exit(2);
	}
}

/* The first process: all of it goes on until the watching thread says stop. */
int main(int argc, char **argv)
{
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
	struct worker *worker = &workers[0];
	double start = seconds_now();

	if (argc == 3 && !strcmp(argv[1], "--leaf"))
		return leaf_main(strtoull(argv[2], NULL, 10));
	parse(argc, argv);
	own = worker;
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	shared = map_shared(sizeof(*shared));
	self = &shared->slots[0];
	atomic_store(&self->pid, getpid());
	atomic_store(&self->worker[0].active, true);
	limit_addresses();
	segments_new();
	fill_all();
	watch_start();
	worker->running = true;
	start_threads(worker, 1);
	while (!atomic_load(&shared->stop))
		step(worker);
	join_threads(worker);
	reap(worker, true);
	while (!reap_orphans(true)) {
		beat("wait for orphans");
		usleep(1000);
	}
	for (unsigned int w = 0; w < MAX_WORKERS; w++) {
		if (workers[w].usable)
			arena_check(&workers[w]);
		race_check(worker, &workers[w]);
	}
	report(seconds_now() - start);
	return 0;
}
