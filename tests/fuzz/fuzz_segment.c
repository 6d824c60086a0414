/* SPDX-License-Identifier: MIT */
/*
 * Description: segments that a backend gives back changed. The first byte says whether they are
 * sealed and whether they come back whole; the others change bytes: where (3), how (1). A page
 * reads as what it was or as an error, from the device and after the segment came back into RAM.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "../unit/fake_backend.h"
#include "../unit/pattern.h"
#include "store/store.h"

#define PAGES 96u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct world {
	struct store *store;
	struct store_writer *writer, *cleaner;
	struct memory *memory;
	struct fake_backend fake;
} worlds[2];

static void require(_Bool condition)
{
	if (!condition)
		abort();
}

static void open_world(struct world *world, _Bool seals)
{
	struct store_config config = {.ram_bytes = 8 * SEGMENT_BYTES,
				      .ram_bytes_highest = 8 * SEGMENT_BYTES,
				      .segments = 32,
				      .seals = seals};

	if (world->store)
		return;
	fake_backend_open(&world->fake, 8);
	world->fake.base.seals = seals;
	require(!store_open(&world->store, &config, 2048) &&
		!store_writer_open(world->store, &world->writer) &&
		!store_writer_open(world->store, &world->cleaner));
}

/* Patterns of every kind; some are packed together. */
static void put_out(struct world *world)
{
	static unsigned char copy[SEGMENT_BYTES];
	struct store *store = world->store;
	const void *bytes;
	uint32_t id;

	for (unsigned int i = 0; i < PAGES; i++) {
		uint64_t address = (uint64_t)i * PAGE_BYTES;
		slot_t *slot = memory_bind(world->memory, address);
		unsigned char page[PAGE_BYTES];

		pattern_fill(i < 32 ? 4 + 8 * i : i, page);
		require(!store_reserve(world->writer, 1));
		slot_lock(slot);
		slot_unlock(slot,
			    store_put(world->writer, memory_slot_id(world->memory, address), page));
	}
	store_writer_close(world->writer);
	require(!store_writer_open(store, &world->writer));
	store_clean(store, world->cleaner, true);
	store_writer_close(world->cleaner);
	require(!store_writer_open(store, &world->cleaner));
	while ((id = store_oldest_for_writeback(store, STORE_ANY_TIER, &bytes))) {
		uint64_t extent = world->fake.base.operations->allocate(&world->fake.base);

		if (world->fake.base.seals) {
			require(!store_seal(store, id, copy));
			bytes = copy;
		}
		fake_backend_write(&world->fake, extent, bytes);
		store_segment_written(store, id, &world->fake.base, extent, false);
	}
}

static void check(struct world *world)
{
	for (unsigned int i = 0; i < PAGES; i++) {
		slot_t *slot = memory_look(world->memory, (uint64_t)i * PAGE_BYTES);
		unsigned char page[PAGE_BYTES];
		desc_t word = slot_lock(slot);
		int error = store_get(world->store, word, page);

		require(error == -EILSEQ ||
			(!error && pattern_matches(i < 32 ? 4 + 8 * i : i, page)));
		slot_unlock(slot, word);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world *world;

	if (!size)
		return 0;
	world = &worlds[data[0] & 1];
	open_world(world, data[0] & 1);
	require(!memory_open(&world->memory, store_space(world->store)));
	put_out(world);
	for (size_t i = 1; i + 4 <= size; i += 4)
		world->fake.bytes[(data[i] | data[i + 1] << 8 | data[i + 2] << 16) %
				  (2 * SEGMENT_BYTES)] ^= data[i + 3];
	check(world);
	while (data[0] & 2 && !store_drain_one(world->store, &world->fake.base, false))
		;
	check(world);
	memory_close(world->memory);
	return 0;
}
