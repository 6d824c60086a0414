/* SPDX-License-Identifier: MIT */
/*
 * Many threads, each with many small areas of its own, which it maps, moves, moves over each other,
 * lets grow, shrinks and unmaps. The kernel puts one thread's area where another's has just been,
 * or over a part of that: whose bytes are told from all others'. Nothing that a thread does to its
 * areas may be seen in another's.
 *
 * `--blind`: many more that are smaller, moved on and on with no page touched in between. All of
 * them leave, and then look alike to the page table.
 *
 * 0: all pages were right; 1: one was not, or a system call failed; 2: usage.
 */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE	    4096ul
#define WORDS	    (PAGE / sizeof(uint64_t))
#define AREAS	    40u
#define BLIND_AREAS 1000u
#define MOST_PAGES  96u
#define THREADS	    64u
#define HANG_S	    120u
#define LATER_US    200000u
#define SMALL_PAGES 8u
#define BLIND_PAGES 16u
/* So often each is moved between two looks, about. */
#define BLIND_MOVES 3u

/* What a page holds follows from its version; 0: it was never written. */
struct area {
	char *at; /* NULL: there is none */
	size_t pages;
	uint32_t version[MOST_PAGES];
};

struct worker {
	pthread_t thread;
	unsigned int id;
	uint64_t random;
	uint32_t version;
	struct area *areas;
};

static struct {
	uint64_t pages, seed;
	unsigned int threads, areas; /* of each thread */
	bool blind;
} options = {.pages = 1000000, .threads = 8, .areas = AREAS};
static _Atomic uint64_t checked, moves;

static uint64_t mix(uint64_t value)
{
	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
	value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
	return value ^ (value >> 31);
}

static size_t below(struct worker *worker, size_t bound)
{
	return mix(++worker->random) % bound;
}

static bool one_in(struct worker *worker, size_t bound)
{
	return !below(worker, bound);
}

static _Noreturn void failed(struct worker *worker, const char *call)
{
	fprintf(stderr, "areas: thread %u: %s: %s, seed %llu\n", worker->id, call, strerror(errno),
		(unsigned long long)options.seed);
	_exit(1);
}

/* ---- what pages hold ---- */

/* Two of three pages compress well. */
static uint64_t word_of(uint32_t version, size_t word)
{
	uint64_t plain = ((uint64_t)version << 32) + word;

	if (!version)
		return 0;
	return version % 3 ? plain : mix(plain);
}

static void write_page(struct worker *worker, struct area *area, size_t page)
{
	uint64_t *words = (uint64_t *)(area->at + page * PAGE);

	area->version[page] = ++worker->version;
	for (size_t word = 0; word < WORDS; word++)
		words[word] = word_of(area->version[page], word);
}

static void write_pages(struct worker *worker, struct area *area, size_t from, size_t to)
{
	for (size_t page = from; page < to; page++)
		write_page(worker, area, page);
}

static bool is_right(const struct area *area, size_t page)
{
	const volatile uint64_t *words = (const uint64_t *)(area->at + page * PAGE);

	for (size_t word = 0; word < WORDS; word++)
		if (words[word] != word_of(area->version[page], word))
			return false;
	return true;
}

static void check(struct worker *worker, const struct area *area, const char *after)
{
	for (size_t page = 0; page < area->pages; page++) {
		const uint64_t *words = (const uint64_t *)(area->at + page * PAGE);

		if (is_right(area, page))
			continue;
		usleep(LATER_US);
		fprintf(stderr,
			"areas: thread %u, %s: page %zu of %zu at %p is wrong%s: it begins with "
			"%llx %llx, not with %llx, seed %llu\n",
			worker->id, after, page, area->pages, (const void *)words,
			is_right(area, page) ? ", and right later" : "",
			(unsigned long long)words[0], (unsigned long long)words[1],
			(unsigned long long)word_of(area->version[page], 0),
			(unsigned long long)options.seed);
		_exit(1);
	}
	atomic_fetch_add(&checked, area->pages);
}

/* ---- what is done to them ---- */

static char *map_pages(struct worker *worker, size_t pages)
{
	char *at = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);

	if (at == MAP_FAILED)
		failed(worker, "mmap");
	return at;
}

static void map_area(struct worker *worker, struct area *area)
{
	size_t most = options.blind	  ? BLIND_PAGES
		      : one_in(worker, 4) ? SMALL_PAGES
					  : MOST_PAGES / 2;

	area->pages = 1 + below(worker, most);
	area->at = map_pages(worker, area->pages);
	memset(area->version, 0, sizeof(area->version));
	if (!one_in(worker, 4))
		write_pages(worker, area, 0, area->pages);
}

static void unmap_area(struct area *area)
{
	munmap(area->at, area->pages * PAGE);
	area->at = NULL;
}

/* False: refused, since it is several mappings. */
static bool move_area(struct worker *worker, struct area *area, size_t pages, int how, char *to)
{
	char *moved = mremap(area->at, area->pages * PAGE, pages * PAGE, how | MREMAP_MAYMOVE, to);

	if (moved == MAP_FAILED) {
		if (errno != EFAULT)
			failed(worker, "mremap");
		return false;
	}
	area->at = moved;
	atomic_fetch_add(&moves, 1);
	return true;
}

/* It has another length: what is new is empty, and so is what comes where the rest was. */
static void set_pages(struct area *area, size_t pages)
{
	for (size_t page = pages; page < area->pages; page++)
		area->version[page] = 0;
	area->pages = pages;
}

/* Longer or shorter: where it is, or elsewhere. */
static void resize(struct worker *worker, struct area *area)
{
	size_t pages = 1 + below(worker, MOST_PAGES), before = area->pages;

	if (!move_area(worker, area, pages, 0, NULL))
		return;
	set_pages(area, pages);
	if (pages > before && !one_in(worker, 3))
		write_pages(worker, area, before, pages);
}

/* Over another one, of which the rest is unmapped. */
static void move_over(struct worker *worker, struct area *area)
{
	struct area *other = &worker->areas[below(worker, options.areas)];
	char *rest;

	if (other == area || !other->at || other->pages < area->pages)
		return;
	rest = other->at + area->pages * PAGE;
	if (!move_area(worker, area, area->pages, MREMAP_FIXED, other->at)) {
		area->at = other->at = NULL; /* both are as the kernel left them */
		return;
	}
	if (other->pages > area->pages)
		munmap(rest, (other->pages - area->pages) * PAGE);
	*other = *area;
	area->at = NULL;
}

/* It leaves an empty mapping, which is an area from now on, or goes at once. */
static void move_and_leave(struct worker *worker, struct area *area)
{
	struct area *left = &worker->areas[below(worker, options.areas)];
	char *before = area->at;

	if (!move_area(worker, area, area->pages, MREMAP_DONTUNMAP, NULL))
		return;
	if (left == area) {
		munmap(before, area->pages * PAGE);
		return;
	}
	if (left->at)
		unmap_area(left);
	*left = (struct area){.at = before, .pages = area->pages};
	if (one_in(worker, 2))
		write_pages(worker, left, 0, left->pages);
}

static void step(struct worker *worker)
{
	struct area *area = &worker->areas[below(worker, options.areas)];
	const char *after = "looked at";
	size_t page;

	if (!area->at) {
		map_area(worker, area);
		return;
	}
	switch (below(worker, 8)) {
	case 0:
		check(worker, area, "before munmap");
		unmap_area(area);
		return;
	case 1:
		page = below(worker, area->pages);
		write_pages(worker, area, page, area->pages);
		return;
	case 2:
	case 3:
		resize(worker, area);
		after = "resized";
		break;
	case 4:
		move_over(worker, area);
		return;
	case 5:
		move_and_leave(worker, area);
		after = "moved";
		break;
	}
	if (one_in(worker, 2))
		check(worker, area, after);
}

/* Nothing is touched: where the kernel likes, to a new place, or over another one. */
static void step_blind(struct worker *worker)
{
	struct area *area = &worker->areas[below(worker, options.areas)];
	struct area *other = &worker->areas[below(worker, options.areas)];
	size_t pages = one_in(worker, 2) ? area->pages : 1 + below(worker, BLIND_PAGES);
	int how = one_in(worker, 2) ? 0 : MREMAP_FIXED;
	bool over = how && other != area && one_in(worker, 2);
	char *to = NULL;

	if (over)
		pages = other->pages;
	if (how)
		to = over ? other->at : map_pages(worker, pages);
	if (!move_area(worker, area, pages, how, to))
		failed(worker, "mremap");
	set_pages(area, pages);
	if (over)
		map_area(worker, other);
}

static void check_all(struct worker *worker, const char *after)
{
	for (unsigned int i = 0; i < options.areas; i++)
		if (worker->areas[i].at)
			check(worker, &worker->areas[i], after);
}

static void *work(void *argument)
{
	struct worker *worker = argument;

	for (unsigned int i = 0; options.blind && i < options.areas; i++)
		map_area(worker, &worker->areas[i]);
	while (atomic_load(&checked) < options.pages) {
		for (unsigned int i = 0; options.blind && i < BLIND_MOVES * options.areas; i++)
			step_blind(worker);
		if (options.blind)
			check_all(worker, "moved blindly");
		else
			step(worker);
	}
	check_all(worker, "at the end");
	return NULL;
}

/* ---- */

static uint64_t number(const char *text, uint64_t least, uint64_t most)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 0);

	if (!*text || *end || value < least || value > most) {
		fprintf(stderr, "areas: a number is missing or out of range\n");
		exit(2);
	}
	return value;
}

static void parse(int argc, char **argv)
{
	static const struct option names[] = {
		{"pages", required_argument, NULL, 'p'},
		{"seed", required_argument, NULL, 'S'},
		{"threads", required_argument, NULL, 't'},
		{"blind", no_argument, NULL, 'b'},
		{NULL, 0, NULL, 0},
	};
	int c;

	options.seed = (uint64_t)time(NULL) ^ (uint64_t)getpid() << 20;
	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (c == 'p') {
			options.pages = number(optarg, 1, UINT64_MAX);
		} else if (c == 'S') {
			options.seed = number(optarg, 0, UINT64_MAX);
		} else if (c == 't') {
			options.threads = (unsigned int)number(optarg, 1, THREADS);
		} else if (c == 'b') {
			options.blind = true;
			options.areas = BLIND_AREAS;
		} else {
			fprintf(stderr,
				"usage: areas [--pages N] [--seed S] [--threads N] [--blind]\n");
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	struct worker *workers;

	parse(argc, argv);
	alarm((unsigned int)(HANG_S + options.pages / 2000));
	workers = calloc(options.threads, sizeof(*workers));
	if (!workers)
		return 1;
	for (unsigned int i = 0; i < options.threads; i++) {
		struct worker *worker = &workers[i];

		worker->id = i;
		worker->random = mix(options.seed + i);
		worker->version = i << 24;
		worker->areas = calloc(options.areas, sizeof(*worker->areas));
		if (!worker->areas)
			return 1;
		if (pthread_create(&worker->thread, NULL, work, worker))
			failed(worker, "pthread_create");
	}
	for (unsigned int i = 0; i < options.threads; i++)
		pthread_join(workers[i].thread, NULL);
	printf("areas: %llu pages checked, %llu moves, seed %llu\n", (unsigned long long)checked,
	       (unsigned long long)moves, (unsigned long long)options.seed);
	return 0;
}
