/* SPDX-License-Identifier: MIT */
/*
 * Description: segments that are filled in place, by any order of puts, drops, cleaning and
 * packing. Two bytes an operation: what it is and how large the page's object becomes; which page.
 * Each page reads as what was put last, no two objects overlap, and no room is lost.
 */
#include <stdlib.h>
#include <string.h>
#include "../unit/pattern.h"
#include "store/store.h"

#define PAGES 2048u /* some segments' */
#define EACH  8u    /* neighbours that an operation is about */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct store *store;
static struct store_writer *writer, *cleaner;
static struct memory *memory;
static uint64_t numbers[PAGES], next_number; /* 0: absent */

static void require(_Bool condition)
{
	if (!condition)
		abort();
}

static void open_store(void)
{
	struct store_config config = {.ram_bytes = 12 * SEGMENT_BYTES,
				      .ram_bytes_highest = 12 * SEGMENT_BYTES,
				      .segments = 16,
				      .in_place = true};

	require(store || (!store_open(&store, &config, 1024) && !store_writer_open(store, &writer) &&
			  !store_writer_open(store, &cleaner)));
	require(!memory_open(&memory, store_space(store)));
	memset(numbers, 0, sizeof(numbers));
}

static void put(unsigned int page, unsigned int kind)
{
	uint64_t address = (uint64_t)page * PAGE_BYTES;
	slot_t *slot = memory_bind(memory, address);
	unsigned char bytes[PAGE_BYTES];
	desc_t old;

	while (store_reserve(writer, 1)) {
		store_published(writer);
		require(store_clean(store, cleaner, false) || store_clean(store, cleaner, true));
	}
	numbers[page] = 8 * ++next_number + kind;
	pattern_fill(numbers[page], bytes);
	old = slot_lock(slot);
	slot_unlock(slot, store_put(writer, memory_slot_id(memory, address), bytes));
	space_drop(store_space(store), old);
}

static void drop(unsigned int page)
{
	uint64_t address = (uint64_t)page * PAGE_BYTES;

	require(!memory_clear(memory, address, address + PAGE_BYTES));
	numbers[page] = 0;
}

static void expect(unsigned int page)
{
	slot_t *slot = memory_look(memory, (uint64_t)page * PAGE_BYTES);
	unsigned char bytes[PAGE_BYTES];
	desc_t word;

	if (!numbers[page])
		return;
	word = slot_lock(slot);
	require(!store_get(store, word, bytes) && pattern_matches(numbers[page], bytes));
	slot_unlock(slot, word);
}

static void step(uint8_t what, uint8_t where)
{
	unsigned int first = where * EACH % PAGES;

	switch (what >> 3 & 7) {
	case 6:
		store_clean(store, cleaner, what & 1);
		break;
	case 5:
		store_check(store);
		break;
	case 4:
		drop(first + what % EACH);
		break;
	case 3:
		for (unsigned int i = 0; i < EACH; i++)
			drop(first + i);
		break;
	default:
		for (unsigned int i = 0; i < EACH; i++)
			put(first + i, what & 7);
		store_published(writer);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	open_store();
	for (size_t i = 0; i + 2 <= size; i += 2)
		step(data[i], data[i + 1]);
	for (unsigned int i = 0; i < PAGES; i++)
		expect(i);
	store_check(store);
	memory_close(memory);
	store_check(store);
	return 0;
}
