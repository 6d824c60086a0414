/* SPDX-License-Identifier: MIT */
/*
 * storm: does to its memory what programs do, at random, in several threads and
 * forked children, and checks all of it against a model. Exit 0: every page was
 * right; 1: one was not, a system call failed, or it hung; 2: usage.
 *
 * Runs on its own (then it tests itself and the kernel) and under `vswap run`
 * with a budget far below --mib.
 */
#include "storm.h"
#include "watchdog.h"

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct options options = {.mib = 64, .threads = 4};
struct shared_state *shared;
struct worker *common;
pthread_mutex_t common_lock = PTHREAD_MUTEX_INITIALIZER;
bool common_usable = true;

_Noreturn void storm_fail(struct worker *worker, const char *format, ...)
{
	char text[512];
	va_list arguments;
	int error = errno;

	va_start(arguments, format);
	errno = error;
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	atomic_store(&shared->failed, true);
	atomic_store(&shared->stop, true);
	fprintf(stderr, "storm: FAILED in %s (pid %d, worker %u, depth %u, seed %llu): %s\n",
		atomic_load(&shared->slots[worker->slot].operation), getpid(), worker->id,
		worker->depth, (unsigned long long)options.seed, text);
	fflush(stderr);
	_exit(1);
}

uint64_t storm_random(struct worker *worker)
{
	uint64_t x = worker->random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	worker->random = x;
	return x * 0x2545f4914f6cdd1dull;
}

void storm_beat(struct worker *worker)
{
	atomic_fetch_add_explicit(&shared->slots[worker->slot].beat, 1, memory_order_relaxed);
}

int storm_take_slot(void)
{
	for (int i = 0; i < MAX_SLOTS; i++) {
		int free_slot = 0;

		/* -1: taken, its process does not run yet. */
		if (atomic_compare_exchange_strong(&shared->slots[i].pid, &free_slot, -1))
			return i;
	}
	return -1;
}

static void *zeroed(size_t bytes, int flags)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED) {
		perror("storm: mmap");
		exit(1);
	}
	return memory;
}

void worker_init(struct worker *worker, unsigned int id, size_t most_pages)
{
	*worker = (struct worker){.id = id, .file = -1, .most = most_pages};
	worker->slot = storm_take_slot();
	worker->random = storm_mix(options.seed * MAX_WORKERS + id) | 1;
	worker->history = zeroed(HISTORY * sizeof *worker->history, MAP_PRIVATE);
}

/* Does wrong on purpose, again and again (the next operation may write over it or unmap it):
 * shows that the checks would see it. */
static void spoil(struct worker *worker)
{
	size_t first, count;
	struct region *region;

	for (unsigned int i = 0; i < options.spoil; i++) {
		storm_run_operation(worker);
		children_reap(worker, true);
	}
	while (!(region = run_any(worker, 1, true, &first, &count)))
		op_map(worker);
	region->base[first * PAGE + random_below(worker, PAGE)] ^= 1;
}

static void *worker_main(void *argument)
{
	struct worker *worker = argument;
	struct slot_state *slot = &shared->slots[worker->slot];

	atomic_store(&slot->tid, syscall(SYS_gettid));
	atomic_store(&slot->pid, getpid());
	signals_stack(worker);
	while (!atomic_load_explicit(&shared->stop, memory_order_relaxed)) {
		if (options.spoil && worker->id == 0)
			spoil(worker);
		storm_run_operation(worker);
		children_reap(worker, false);
	}
	atomic_store(&slot->operation, "the end");
	children_reap(worker, true);
	worker_check_all(worker);
	atomic_store(&slot->pid, 0);
	return NULL;
}

/* Nothing but op_break is to move the break: malloc gets all it will need at once. */
static void prepare_malloc(void)
{
	void *top;

	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	mallopt(M_ARENA_MAX, 1);
	top = malloc(4 << 20);
	free(top);
	if (sbrk(0) == (void *)-1 || sbrk(-(intptr_t)sbrk(0) & (PAGE - 1)) == (void *)-1)
		perror("storm: sbrk");
}

static void start_noise(void)
{
	struct itimerval every = {.it_interval.tv_usec = 9973, .it_value.tv_usec = 9973};

	setitimer(ITIMER_REAL, &every, NULL);
}

static _Noreturn void usage(const char *why)
{
	if (why)
		fprintf(stderr, "storm: %s\n", why);
	fprintf(stderr,
		"usage: storm [--pages N] [--seconds T] [--seed S] [--mib M] [--threads N]\n"
		"             [--only NAME,... | --only -NAME,...] [--verbose] [--spoil N]\n");
	exit(2);
}

static uint64_t number(const char *text, uint64_t least, uint64_t most)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 0);

	if (!*text || *end || value < least || value > most)
		usage("a number is missing or out of range");
	return value;
}

static void parse(int argc, char **argv)
{
	static const struct option names[] = {
		{"pages", required_argument, NULL, 'p'},
		{"seconds", required_argument, NULL, 's'},
		{"seed", required_argument, NULL, 'S'},
		{"mib", required_argument, NULL, 'm'},
		{"threads", required_argument, NULL, 't'},
		{"only", required_argument, NULL, 'o'},
		{"verbose", no_argument, NULL, 'v'},
		{"spoil", required_argument, NULL, 'b'},
		{NULL, 0, NULL, 0},
	};
	const char *only = NULL;
	char message[512];
	int c;

	options.seed = (uint64_t)time(NULL) ^ (uint64_t)getpid() << 20;
	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (c) {
		case 'p':
			options.pages = number(optarg, 1, UINT64_MAX);
			break;
		case 's':
			options.seconds = number(optarg, 1, 1u << 30);
			break;
		case 'S':
			options.seed = number(optarg, 0, UINT64_MAX);
			break;
		case 'm':
			options.mib = number(optarg, 2, 1u << 20);
			break;
		case 't':
			options.threads = number(optarg, 1, MAX_WORKERS - 1);
			break;
		case 'o':
			only = optarg;
			break;
		case 'b':
			options.spoil = number(optarg, 1, 1u << 30);
			break;
		case 'v':
			options.verbose = true;
			break;
		default:
			usage(NULL);
		}
	}
	if (optind < argc)
		usage("too many arguments");
	if (!options.pages && !options.seconds)
		options.pages = 1000000;
	if (!operations_choose(only, message, sizeof message))
		usage(message);
}

int main(int argc, char **argv)
{
	struct worker *workers;
	size_t share;

	parse(argc, argv);
	shared = zeroed(sizeof *shared, MAP_SHARED);
	prepare_malloc();
	signals_init();
	refused_init();
	workers = zeroed((options.threads + 1) * sizeof *workers, MAP_PRIVATE);
	/* The common memory has a share too. */
	share = ((size_t)options.mib << 20) / PAGE / (options.threads + 1);
	for (unsigned int i = 0; i <= options.threads; i++)
		worker_init(&workers[i], i, share);
	common = &workers[options.threads];
	watchdog_start();
	for (unsigned int i = 1; i < options.threads; i++)
		if (pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]))
			storm_fail(&workers[i], "pthread_create: %m");
	start_noise();
	/* The first worker is the main thread: its stack grows. */
	worker_main(&workers[0]);
	for (unsigned int i = 1; i < options.threads; i++)
		pthread_join(workers[i].thread, NULL);
	worker_check_all(common);
	printf("storm: %lu pages checked, %lu operations, %lu mismatches, seed %llu\n",
	       atomic_load(&shared->pages), atomic_load(&shared->operations),
	       atomic_load(&shared->mismatches), (unsigned long long)options.seed);
	return atomic_load(&shared->failed) ? 1 : 0;
}
