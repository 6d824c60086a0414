// SPDX-License-Identifier: MIT
/*
 * usemem: a program that uses memory, timed phase by phase.
 *
 * It fills an area, reads it twice in order, touches pages at random (reading,
 * then writing) and frees it. Under a memory limit this is what swap does for a
 * living, with nothing else around it. Each phase prints one line of JSON.
 *
 * Every thread has a mapping of its own, and touches nothing else, so that the
 * figures show the swap and no contention of the program's own making.
 *
 * Word 1 of each page tells which page it is and is checked at each touch; word
 * 2 counts the random writes. `--verify` rebuilds every page and compares all
 * of it, untimed.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include "bench/histogram.h"
#include "bench/options.h"
#include "bench/pattern.h"

#define THREADS_MOST 64
/* A touch that takes longer than this did not find its page: a fault. */
#define FAULT_NS 1000

enum phase { FILL, SEQUENTIAL_1, SEQUENTIAL_2, RANDOM_READ, RANDOM_WRITE, FREE, PHASES };

static const char *const phase_name[PHASES] = {
	"fill", "sequential", "sequential-2", "random-read", "random-write", "free",
};

struct worker {
	pthread_t thread;
	int number;
	uint64_t *memory;
	size_t pages;
	uint64_t seed;
	uint64_t ns; /* of the phase that has just ended */
	struct histogram touches, faults;
};

static struct {
	size_t pages; /* of all threads */
	int threads;
	bool pin, verify;
	unsigned int pause;  /* seconds after the fill, for a cleaner to work in */
	unsigned int phases; /* bit set of enum phase */
	const char *label;
	struct pattern pattern;
	pthread_barrier_t barrier;
	struct worker worker[THREADS_MOST];
} use;

static void die(const char *what)
{
	fprintf(stderr, "usemem: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t *page_at(const struct worker *worker, size_t page)
{
	return worker->memory + page * PATTERN_WORDS;
}

/* Which page of the whole run this is; what its words are made from. */
static uint64_t page_number(const struct worker *worker, size_t page)
{
	return worker->number * worker->pages + page;
}

static void wrong(const struct worker *worker, size_t page, unsigned int word, uint64_t want)
{
	fprintf(stderr, "usemem: WRONG DATA: thread %d page %zu word %u is %#llx, not %#llx\n",
		worker->number, page, word, (unsigned long long)page_at(worker, page)[word],
		(unsigned long long)want);
	_exit(3);
}

static uint64_t read_page(const struct worker *worker, size_t page)
{
	uint64_t got = ((volatile uint64_t *)page_at(worker, page))[1];
	uint64_t want = pattern_mark(page_number(worker, page), 1);

	if (got != want)
		wrong(worker, page, 1, want);
	return got;
}

static void fill(struct worker *worker)
{
	struct pattern_state state;

	pattern_start(&state, worker->seed);
	for (size_t page = 0; page < worker->pages; page++)
		pattern_page(&use.pattern, &state, page_number(worker, page),
			     page_at(worker, page));
}

static void sequential(struct worker *worker)
{
	for (size_t page = 0; page < worker->pages; page++)
		read_page(worker, page);
}

static void touch_at_random(struct worker *worker, bool write)
{
	uint64_t random = worker->seed ^ (write ? 0x5bd1e995 : 0x1b873593);

	histogram_clear(&worker->touches);
	histogram_clear(&worker->faults);
	for (size_t i = 0; i < worker->pages; i++) {
		size_t page = pattern_random(&random) % worker->pages;
		uint64_t start = bench_now(), took;

		if (write)
			((volatile uint64_t *)page_at(worker, page))[2]++;
		else
			read_page(worker, page);
		took = bench_now() - start;
		histogram_add(&worker->touches, took);
		if (took >= FAULT_NS)
			histogram_add(&worker->faults, took);
	}
}

/* Compares all of the memory with what was written. The counts of the random
 * writes are found by throwing the same dice again. */
static void verify(struct worker *worker)
{
	uint64_t random = worker->seed ^ 0x5bd1e995, want[PATTERN_WORDS];
	uint16_t *writes = calloc(worker->pages, sizeof(*writes));
	struct pattern_state state;

	if (!writes)
		die("no memory to verify with");
	if (use.phases & 1u << RANDOM_WRITE)
		for (size_t i = 0; i < worker->pages; i++)
			writes[pattern_random(&random) % worker->pages]++;
	pattern_start(&state, worker->seed);
	for (size_t page = 0; page < worker->pages; page++) {
		pattern_page(&use.pattern, &state, page_number(worker, page), want);
		want[2] += writes[page];
		for (unsigned int word = 0; word < PATTERN_WORDS; word++)
			if (page_at(worker, page)[word] != want[word])
				wrong(worker, page, word, want[word]);
	}
	free(writes);
}

static void run_phase(struct worker *worker, enum phase phase)
{
	switch (phase) {
	case FILL:
		fill(worker);
		break;
	case SEQUENTIAL_1:
	case SEQUENTIAL_2:
		sequential(worker);
		break;
	case RANDOM_READ:
	case RANDOM_WRITE:
		touch_at_random(worker, phase == RANDOM_WRITE);
		break;
	case FREE:
		munmap(worker->memory, worker->pages * PATTERN_BYTES);
		break;
	case PHASES:
		break;
	}
}

static double seconds_of(struct timeval time)
{
	return time.tv_sec + time.tv_usec * 1e-6;
}

static void report(enum phase phase, uint64_t wall_ns, const struct rusage *before)
{
	struct histogram touches = {0}, faults = {0};
	struct rusage after;

	getrusage(RUSAGE_SELF, &after);
	for (int i = 0; i < use.threads; i++) {
		histogram_merge(&touches, &use.worker[i].touches);
		histogram_merge(&faults, &use.worker[i].faults);
	}
	printf("{\"label\":\"%s\",\"phase\":\"%s\",\"threads\":%d,\"pattern\":\"%s\",\"pages\":%zu,"
	       "\"seconds\":%.6f,\"ns_per_page\":%.1f,\"thread_ns_per_page\":[",
	       use.label, phase_name[phase], use.threads, use.pattern.name, use.pages,
	       wall_ns * 1e-9, (double)wall_ns * use.threads / use.pages);
	for (int i = 0; i < use.threads; i++)
		printf("%s%.1f", i ? "," : "", (double)use.worker[i].ns / use.worker[i].pages);
	printf("],\"user_seconds\":%.3f,\"system_seconds\":%.3f,\"major_faults\":%ld,"
	       "\"minor_faults\":%ld",
	       seconds_of(after.ru_utime) - seconds_of(before->ru_utime),
	       seconds_of(after.ru_stime) - seconds_of(before->ru_stime),
	       after.ru_majflt - before->ru_majflt, after.ru_minflt - before->ru_minflt);
	if (phase == RANDOM_READ || phase == RANDOM_WRITE) {
		printf(",\"touch_p50_ns\":%llu,\"touch_p99_ns\":%llu,\"faults\":%llu,"
		       "\"fault_p50_ns\":%llu,\"fault_p99_ns\":%llu,\"fault_p999_ns\":%llu,"
		       "\"fault_max_ns\":%llu,\"fault_histogram\":",
		       histogram_percentile(&touches, 50), histogram_percentile(&touches, 99),
		       (unsigned long long)faults.count, histogram_percentile(&faults, 50),
		       histogram_percentile(&faults, 99), histogram_percentile(&faults, 99.9),
		       (unsigned long long)faults.most);
		histogram_print(&faults, stdout);
	}
	printf("}\n");
	fflush(stdout);
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	struct rusage before;
	uint64_t start;

	if (use.pin) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(worker->number % (int)sysconf(_SC_NPROCESSORS_ONLN), &set);
		sched_setaffinity(0, sizeof(set), &set);
	}
	for (enum phase phase = 0; phase < PHASES; phase++) {
		if (!(use.phases & 1u << phase))
			continue;
		if (phase == FREE && use.verify)
			verify(worker);
		getrusage(RUSAGE_SELF, &before);
		pthread_barrier_wait(&use.barrier);
		start = bench_now();
		run_phase(worker, phase);
		worker->ns = bench_now() - start;
		pthread_barrier_wait(&use.barrier);
		if (worker->number == 0)
			report(phase, bench_now() - start, &before);
		if (phase == FILL && worker->number == 0)
			sleep(use.pause);
		pthread_barrier_wait(&use.barrier);
	}
	return NULL;
}

static void start_workers(void)
{
	pthread_barrier_init(&use.barrier, NULL, use.threads);
	for (int i = 0; i < use.threads; i++) {
		struct worker *worker = &use.worker[i];

		worker->number = i;
		worker->pages = use.pages / use.threads;
		worker->seed = 88172645463325252ull + i * 0x9e3779b97f4a7c15ull;
		worker->memory = mmap(NULL, worker->pages * PATTERN_BYTES, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (worker->memory == MAP_FAILED)
			die("mmap");
	}
	for (int i = 1; i < use.threads; i++)
		if (pthread_create(&use.worker[i].thread, NULL, work, &use.worker[i]))
			die("cannot start a thread");
	work(&use.worker[0]);
	for (int i = 1; i < use.threads; i++)
		pthread_join(use.worker[i].thread, NULL);
}

static unsigned int parse_phases(const char *list)
{
	unsigned int phases = 0;

	for (const char *name = list; *name; name += strspn(name, ",")) {
		size_t length = strcspn(name, ",");
		int phase = 0;

		while (phase < PHASES && (strlen(phase_name[phase]) != length ||
					  strncmp(name, phase_name[phase], length) != 0))
			phase++;
		if (phase == PHASES) {
			fprintf(stderr, "usemem: no phase is called '%.*s'\n", (int)length, name);
			exit(2);
		}
		phases |= 1u << phase;
		name += length;
	}
	return phases;
}

static void usage(int status)
{
	fprintf(status ? stderr : stdout,
		"usage: usemem [--mib N] [--threads N] [--pattern "
		"word|python-like|random|text|FILE]\n"
		"              [--phases LIST] [--pause SECONDS] [--no-pin] [--verify]\n"
		"              [--label TEXT]\n"
		"LIST: fill,sequential,sequential-2,random-read,random-write,free (default: "
		"all)\n");
	exit(status);
}

int main(int argc, char **argv)
{
	uint64_t mib = 1024, threads = 1, pause = 0;
	const char *pattern = "word", *phases = NULL;
	bool no_pin = false, help = false;

	use.label = "";
	for (int at = 1; at < argc; at++)
		if (!option_number(argv, &at, "--mib", &mib) &&
		    !option_number(argv, &at, "--threads", &threads) &&
		    !option_text(argv, &at, "--pattern", &pattern) &&
		    !option_text(argv, &at, "--phases", &phases) &&
		    !option_number(argv, &at, "--pause", &pause) &&
		    !option_is(argv, &at, "--no-pin", &no_pin) &&
		    !option_is(argv, &at, "--verify", &use.verify) &&
		    !option_text(argv, &at, "--label", &use.label) &&
		    !option_is(argv, &at, "--help", &help))
			usage(2);
	if (help)
		usage(0);
	if (!mib || !threads || threads > THREADS_MOST)
		usage(2);
	if (pattern_open(&use.pattern, pattern))
		die(pattern);
	use.pin = !no_pin;
	use.pause = (unsigned int)pause;
	use.phases = phases ? parse_phases(phases) : (1u << PHASES) - 1;
	use.threads = (int)threads;
	use.pages = mib * (1048576 / PATTERN_BYTES) / threads * threads;
	start_workers();
	return 0;
}
