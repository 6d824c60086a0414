// SPDX-License-Identifier: MIT
/*
 * turnover: what putting and dropping a page costs while a pool of RAM segments is so and so full.
 *
 *   turnover [--mib N] [--percent N] [--pages NAME] [--order random|oldest|groups] [--log]
 *
 * In-process, one thread, no paging. Pages are put until so many percent of the pool's limit are
 * live bytes; then pages die and others come, of as many bytes as twice the pool. Without room the
 * cleaner works at once, in the same thread. `groups` lets 64 neighbours die at once.
 *
 * Prints a line of JSON: CPU time a page (encoding it too), bytes copied a byte put, percent of the
 * segments' RAM that is live, and puts that found no room.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "bench/options.h"
#include "bench/pattern.h"
#include "store/store.h"

#define SOURCES 8192u
#define GROUP	64u
#define BATCH	64u
#define TRIES	100u

static struct {
	struct store *store;
	struct store_writer *writer, *cleaner;
	struct memory *memory;
	uint64_t *sources, random;
	uint64_t slots, used, hand; /* there are; were ever put; the next one that dies of age */
	uint64_t *empty, empties;   /* that died */
	uint64_t live;		    /* bytes */
	uint64_t put_bytes, refused, puts;
	unsigned int reserved;
} it;

static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void open_all(uint64_t bytes, bool log)
{
	struct store_config config = {.ram_bytes = bytes,
				      .ram_bytes_highest = bytes,
				      .segments = (uint32_t)(bytes / SEGMENT_BYTES) + 8,
				      .in_place = !log};

	it.slots = 32 * bytes / PATTERN_BYTES;
	it.empty = calloc(it.slots, sizeof(*it.empty));
	if (store_open(&it.store, &config, (uint32_t)(it.slots / CLUSTER_SLOTS + 8)) ||
	    store_writer_open(it.store, &it.writer) || store_writer_open(it.store, &it.cleaner) ||
	    memory_open(&it.memory, store_space(it.store))) {
		fprintf(stderr, "turnover: no memory\n");
		exit(1);
	}
}

static bool reserve(void)
{
	if (it.reserved) {
		it.reserved--;
		return true;
	}
	store_published(it.writer);
	for (unsigned int i = 0; store_reserve(it.writer, BATCH); i++)
		if (i == TRIES || !store_clean(it.store, it.cleaner, false))
			return false;
	it.reserved = BATCH - 1;
	return true;
}

static slot_t *slot_at(uint64_t page)
{
	return memory_bind(it.memory, page * PATTERN_BYTES);
}

static void drop(uint64_t page)
{
	slot_t *slot = slot_at(page);
	desc_t word = slot_lock(slot);

	slot_unlock(slot, 0);
	if (!word)
		return;
	it.empty[it.empties++] = page;
	it.live -= desc_length(word);
	space_drop(store_space(it.store), word);
}

static void put(uint64_t page)
{
	const void *bytes =
		it.sources + pattern_random(&it.random) % SOURCES * (uint64_t)PATTERN_WORDS;
	slot_t *slot = slot_at(page);
	desc_t word;

	if (!reserve()) {
		it.refused++;
		it.empty[it.empties++] = page;
		return;
	}
	slot_lock(slot);
	word = store_put(it.writer, memory_slot_id(it.memory, page * PATTERN_BYTES), bytes);
	slot_unlock(slot, word);
	it.live += desc_length(word);
	it.put_bytes += desc_length(word);
	it.puts++;
}

/* Somebody dies; the first page of those that did is returned. */
static void die(const char *order)
{
	uint64_t page = pattern_random(&it.random) % it.used;
	unsigned int count = 1;

	if (!strcmp(order, "oldest"))
		page = it.hand++ % it.used;
	if (!strcmp(order, "groups")) {
		page = page / GROUP * GROUP;
		count = GROUP;
	}
	while (count-- && page < it.used)
		drop(page++);
}

/* Until so many bytes were put; no more than `most` are live. */
static void turn(uint64_t bytes, uint64_t most, const char *order)
{
	uint64_t end = it.put_bytes + bytes, refused = it.refused;

	while (it.put_bytes < end && it.refused < refused + 1000) {
		while (it.live > most)
			die(order);
		put(it.empties ? it.empty[--it.empties] : it.used++);
	}
}

int main(int argc, char **argv)
{
	uint64_t mib = 128, percent = 90;
	const char *pages = "python-like", *order = "random";
	struct store_statistics before, after;
	uint64_t bytes, puts, put_bytes;
	bool log = false;
	double began;

	for (int at = 1; at < argc; at++)
		if (!option_number(argv, &at, "--mib", &mib) &&
		    !option_number(argv, &at, "--percent", &percent) &&
		    !option_text(argv, &at, "--pages", &pages) &&
		    !option_text(argv, &at, "--order", &order) &&
		    !option_is(argv, &at, "--log", &log)) {
			fprintf(stderr, "usage: turnover [--mib N] [--percent N] [--pages NAME] "
					"[--order random|oldest|groups] [--log]\n");
			return 2;
		}
	bytes = mib * SEGMENT_BYTES;
	it.random = 88172645463325252ull;
	it.sources = pattern_fill(pages, SOURCES);
	if (!it.sources) {
		perror("turnover");
		return 1;
	}
	open_all(bytes, log);
	turn(2 * bytes, bytes * percent / 100, order);
	store_statistics(it.store, &before);
	puts = it.puts;
	put_bytes = it.put_bytes;
	it.refused = 0;
	began = cpu_seconds();
	turn(2 * bytes, bytes * percent / 100, order);
	began = cpu_seconds() - began;
	store_statistics(it.store, &after);
	printf("{\"in_place\": %s, \"percent\": %llu, \"us_a_page\": %.2f, \"copied\": %.3f, "
	       "\"live_of_ram\": %.1f, \"refused\": %llu}\n",
	       log ? "false" : "true", (unsigned long long)percent,
	       began * 1e6 / (double)(it.puts - puts),
	       (double)(after.copied_bytes - before.copied_bytes) /
		       (double)(it.put_bytes - put_bytes),
	       100.0 * (double)after.live_bytes / (double)after.ram_bytes,
	       (unsigned long long)it.refused);
	return 0;
}
