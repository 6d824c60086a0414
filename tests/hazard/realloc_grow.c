/* SPDX-License-Identifier: MIT */
/*
 * Description: chunks grow and shrink, in place and moving, by realloc and by mremap, some
 * untouched so far, some protected in part meanwhile, in several threads, while the heap grows by
 * brk: the mappings change all the time while vswap looks at them. What the program made in one
 * call must stay one to mremap, however it came to be registered, and nothing may change.
 */
#include "hazard.h"

#include <malloc.h>

#define THREADS 3
#define CHUNKS	4
#define LEAST	64 /* pages */
#define MOST	512
#define ROUNDS	800
/* The heap, and its pieces. */
#define PIECES	    4000
#define PIECE_PAGES 3

struct chunk {
	char *at;
	size_t pages, stride; /* each stride-th page is written... */
	size_t written;	      /* ... up to this one */
	uint64_t seed;
};

struct grower {
	pthread_t thread;
	uint64_t random;
	struct chunk chunks[CHUNKS];
	bool by_mremap;
};

static uint64_t next(struct grower *grower, uint64_t below)
{
	grower->random = mix(grower->random);
	return grower->random % below;
}

/* From behind: what is new is touched before what is old. */
static void write_chunk(struct chunk *chunk, size_t pages)
{
	for (size_t p = pages; p-- > chunk->written;)
		if (p % chunk->stride == 0)
			fill_page(chunk->at + p * PAGE, chunk->seed, p);
	chunk->written = pages;
}

static void check_chunk(const struct chunk *chunk)
{
	for (size_t p = 0; p < chunk->written; p += chunk->stride)
		expect(page_is(chunk->at + p * PAGE, chunk->seed, p), "page %zu of %zu at %p is %s",
		       p, chunk->pages, (void *)chunk->at,
		       page_is_zero(chunk->at + p * PAGE) ? "zeros" : "wrong");
}

static void new_chunk(struct grower *grower, struct chunk *chunk)
{
	*chunk = (struct chunk){.seed = next(grower, ~0ull), .pages = LEAST};
	chunk->stride = 1 + next(grower, 3);
	chunk->at = grower->by_mremap ? anonymous(LEAST) : malloc(LEAST * PAGE);
	expect(chunk->at, "malloc: %m");
}

static void free_chunk(const struct grower *grower, struct chunk *chunk)
{
	if (grower->by_mremap)
		expect(!munmap(chunk->at, chunk->pages * PAGE), "munmap: %m");
	else
		free(chunk->at);
	chunk->at = NULL;
}

static void remap(struct grower *grower, struct chunk *chunk, size_t pages)
{
	size_t old = chunk->pages * PAGE, new = pages *PAGE;
	char *at = MAP_FAILED;

	if (next(grower, 2)) {
		at = mremap(chunk->at, old, new, 0);
		expect(at != MAP_FAILED || errno == ENOMEM,
		       "mremap in place from %zu to %zu pages: %m", chunk->pages, pages);
	}
	if (at == MAP_FAILED)
		at = mremap(chunk->at, old, new, MREMAP_MAYMOVE);
	expect(at != MAP_FAILED, "mremap from %zu to %zu pages: %m", chunk->pages, pages);
	chunk->at = at;
}

static void resize(struct grower *grower, struct chunk *chunk)
{
	size_t pages = LEAST + next(grower, MOST - LEAST);

	if (grower->by_mremap) {
		remap(grower, chunk, pages);
	} else {
		chunk->at = realloc(chunk->at, pages * PAGE);
		expect(chunk->at, "realloc from %zu to %zu pages: %m", chunk->pages, pages);
	}
	chunk->pages = pages;
	if (chunk->written > pages)
		chunk->written = pages;
}

/* The kernel splits the mapping while its end is protected, and joins it again after. */
static void protect_end(struct grower *grower, struct chunk *chunk, int protection)
{
	size_t from = 1 + next(grower, chunk->pages - 1);
	size_t bytes = (chunk->pages - from) * PAGE;

	if (getenv("NOPROT") || from < chunk->written)
		return;
	expect(!mprotect(chunk->at + from * PAGE, bytes, protection), "mprotect: %m");
	if (next(grower, 2))
		pause_ms(3);
	write_chunk(chunk, from);
	expect(!mprotect(chunk->at + from * PAGE, bytes, PROT_READ | PROT_WRITE), "mprotect: %m");
}

static void change(struct grower *grower, struct chunk *chunk)
{
	if (!chunk->at)
		new_chunk(grower, chunk);
	/* In several steps, and now and then before anything was ever touched. */
	for (uint64_t steps = next(grower, 4); steps; steps--) {
		if (next(grower, 2))
			write_chunk(chunk, chunk->pages);
		if (grower->by_mremap && !next(grower, 3))
			protect_end(grower, chunk, next(grower, 2) ? PROT_READ : PROT_NONE);
		resize(grower, chunk);
	}
	write_chunk(chunk, chunk->pages);
	if (next(grower, 4) == 0) {
		check_chunk(chunk);
		free_chunk(grower, chunk);
	}
}

static void *grow(void *argument)
{
	struct grower *grower = argument;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		struct chunk *chunk = &grower->chunks[next(grower, CHUNKS)];

		if (chunk->at)
			check_chunk(chunk);
		change(grower, chunk);
	}
	for (unsigned int i = 0; i < CHUNKS; i++)
		if (grower->chunks[i].at)
			check_chunk(&grower->chunks[i]);
	return NULL;
}

/* Small pieces, which glibc takes from the heap; all given back, it shrinks. */
static void grow_heap(uint64_t round)
{
	static char *pieces[PIECES];

	for (size_t i = 0; i < PIECES; i++) {
		pieces[i] = malloc(PIECE_PAGES * PAGE);
		expect(pieces[i], "malloc of piece %zu: %m", i);
		fill_page(pieces[i], round, i);
		fill_page(pieces[i] + (PIECE_PAGES - 1) * PAGE, round, i + PIECES);
	}
	for (size_t i = 0; i < PIECES; i++) {
		expect(page_is(pieces[i], round, i), "piece %zu of the heap has changed", i);
		expect(page_is(pieces[i] + (PIECE_PAGES - 1) * PAGE, round, i + PIECES),
		       "the end of piece %zu of the heap has changed", i);
		free(pieces[i]);
	}
}

int main(void)
{
	static struct grower growers[THREADS];

	hazard_start();
	/* Fixed, or chunks that are freed would raise it. */
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	press();
	for (unsigned int i = 0; i < THREADS; i++) {
		growers[i].random = mix(i + 1);
		growers[i].by_mremap = i != 0 && !getenv("ONLYRE");
		expect(!pthread_create(&growers[i].thread, NULL, grow, &growers[i]), "no thread");
	}
	for (uint64_t round = 1; round <= 3; round++)
		grow_heap(round);
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(growers[i].thread, NULL);
	return 0;
}
