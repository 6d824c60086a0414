// SPDX-License-Identifier: MIT
/*
 * overhead: fills a space to 0, 25, 50, 75 and 100 % of 8,388,608 slots (32 GiB of
 * swap) and stops at each, so that its memory can be looked at from outside.
 *
 *   overhead [SLOTS [FOLDER]]
 *
 * With FOLDER the segments go to a temporary file there, else they stay in RAM.
 * Each slot holds a page of its own that is neither zero nor one repeated word;
 * the pages compress to almost nothing because only what is kept beside their
 * bytes is of interest. At each stop it prints a line of JSON and waits for a line.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "backend/backend.h"
#include "space/space.h"
#include "store/store.h"
#include "tier/tier.h"

#define STEPS	    4
#define BATCH	    256
#define FIRST	    (1ull << 40)  /* address of the first page */
#define RAM_SHARE   (64ull << 20) /* of the segments, when there is a folder */
#define RAM_HIGHEST (8ull << 30)

static struct {
	struct store *store;
	struct store_writer *writer;
	struct memory *memory;
	struct backend *backend;
	struct tier *tier;
} it;

static void fail(const char *what, int error)
{
	fprintf(stderr, "overhead: %s: %s\n", what, strerror(-error));
	exit(1);
}

static void say(void *argument, const char *line)
{
	(void)argument;
	fprintf(stderr, "overhead: %s\n", line);
}

static void open_all(uint64_t slots, const char *folder)
{
	uint64_t ram = folder ? RAM_SHARE + RAM_SHARE / 4 : RAM_HIGHEST;
	struct store_config config = {
		.ram_bytes = ram,
		.ram_bytes_highest = ram,
		.segments = 1 << 16,
	};
	struct backend_spec spec;
	char text[4200], message[MESSAGE_BYTES];
	int error = store_open(&it.store, &config, (uint32_t)(slots / CLUSTER_SLOTS + 8));

	if (error)
		fail("store", error);
	error = memory_open(&it.memory, store_space(it.store));
	if (error)
		fail("memory", error);
	error = store_writer_open(it.store, &it.writer);
	if (error)
		fail("writer", error);
	if (!folder)
		return;
	snprintf(text, sizeof(text), "file:%s,size=16G,seal=no", folder);
	if (backend_parse_spec(text, &spec, message) || backend_open(&spec, &it.backend, message)) {
		fprintf(stderr, "overhead: %s\n", message);
		exit(1);
	}
	error = tier_open(&it.tier, &(struct tier_config){.store = it.store,
							  .backends = &it.backend,
							  .backend_count = 1,
							  .say = say});
	if (error)
		fail("tier", error);
	tier_set_share(it.tier, RAM_SHARE);
}

static void close_all(void)
{
	memory_close(it.memory);
	store_writer_close(it.writer);
	if (it.tier)
		tier_close(it.tier);
	if (it.backend)
		backend_close(it.backend);
	store_close(it.store);
}

static void reserve(void)
{
	int error;

	while ((error = store_reserve(it.writer, BATCH)) == -ENOSPC && it.tier)
		tier_wait_room(it.tier, 100000);
	if (error)
		fail("no room in RAM for the segments", error);
}

static void put(uint64_t number)
{
	static _Alignas(64) uint64_t page[PAGE_BYTES / 8];
	uint64_t address = FIRST + number * PAGE_BYTES;
	slot_t *slot = memory_bind(it.memory, address);

	if (!slot)
		fail("no cluster left", -ENOMEM);
	page[0] = number + 1;
	if (!slot_change(slot, 0, store_put(it.writer, memory_slot_id(it.memory, address), page)))
		fail("a slot was in use", -EEXIST);
}

static void stop(uint64_t used, uint64_t slots)
{
	struct store_statistics store;
	struct space_statistics space;

	store_statistics(it.store, &store);
	space_statistics(store_space(it.store), &space);
	printf("{\"slots\":%llu,\"used\":%llu,\"segment_ram_bytes\":%llu,\"header_bytes\":%llu,"
	       "\"stored\":%llu,\"said_metadata_bytes\":%llu,\"segments\":%u}\n",
	       (unsigned long long)slots, (unsigned long long)used,
	       (unsigned long long)store.ram_bytes, (unsigned long long)store.header_bytes,
	       (unsigned long long)store.stored, (unsigned long long)store.metadata_bytes,
	       store.segments_ram + store.segments_backend);
	fflush(stdout);
	for (int byte; (byte = getchar()) != '\n' && byte != EOF;)
		;
}

int main(int argc, char **argv)
{
	uint64_t slots = argc > 1 ? strtoull(argv[1], NULL, 10) : 8388608, used = 0;

	open_all(slots, argc > 2 ? argv[2] : NULL);
	stop(0, slots);
	for (int step = 1; step <= STEPS; step++) {
		for (; used < slots * step / STEPS; used++) {
			if (used % BATCH == 0) {
				store_published(it.writer);
				reserve();
			}
			put(used);
		}
		store_published(it.writer);
		stop(used, slots);
	}
	close_all();
	return 0;
}
