// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "store_fixture.h"

static int open_fixture(void **state, bool seals, bool in_place)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct store_config config = {.ram_bytes = RAM_SEGMENTS * SEGMENT_BYTES,
				      .ram_bytes_highest = 2 * RAM_SEGMENTS * SEGMENT_BYTES,
				      .segments = 200,
				      .seals = seals,
				      .in_place = in_place};

	*state = f;
	fake_backend_open(&f->fake, 64);
	f->fake.base.seals = seals;
	return store_open(&f->store, &config, 8192) || store_writer_open(f->store, &f->writer) ||
	       store_writer_open(f->store, &f->cleaner) ||
	       memory_open(&f->memory, f->space = store_space(f->store));
}

int setup(void **state)
{
	return open_fixture(state, false, false);
}

int setup_sealed(void **state)
{
	return open_fixture(state, true, false);
}

int setup_in_place(void **state)
{
	return open_fixture(state, false, true);
}

int teardown(void **state)
{
	struct fixture *f = *state;

	store_check(f->store);
	memory_close(f->memory);
	store_writer_close(f->writer);
	store_writer_close(f->cleaner);
	store_check(f->store);
	/* What is left is a few warm frames: nothing leaks. */
	assert_true(store_ram_bytes(f->store) <= 4 * SEGMENT_BYTES);
	assert_int_equal(f->fake.used, 0);
	store_close(f->store);
	fake_backend_close(&f->fake);
	free(f);
	return 0;
}

void put_reserved(struct fixture *f, unsigned int page, uint64_t number)
{
	uint64_t address = (uint64_t)page * PAGE_BYTES;
	slot_t *slot = memory_bind(f->memory, address);
	unsigned char bytes[PAGE_BYTES];
	desc_t old;

	pattern_fill(number, bytes);
	old = slot_lock(slot);
	slot_unlock(slot, store_put(f->writer, memory_slot_id(f->memory, address), bytes));
	space_drop(f->space, old);
}

void put(struct fixture *f, unsigned int page, uint64_t number)
{
	assert_int_equal(store_reserve(f->writer, 1), 0);
	put_reserved(f, page, number);
}

void expect(struct fixture *f, unsigned int page, uint64_t number)
{
	slot_t *slot = memory_look(f->memory, (uint64_t)page * PAGE_BYTES);
	unsigned char bytes[PAGE_BYTES];
	desc_t word = slot_lock(slot);

	assert_int_equal(store_get(f->store, word, bytes), 0);
	assert_true(pattern_matches(number, bytes));
	slot_unlock(slot, word);
}

void clear(struct fixture *f, unsigned int page, unsigned int count)
{
	assert_int_equal(memory_clear(f->memory, (uint64_t)page * PAGE_BYTES,
				      (uint64_t)(page + count) * PAGE_BYTES),
			 0);
}

desc_t word_of(struct fixture *f, unsigned int page)
{
	return *memory_look(f->memory, (uint64_t)page * PAGE_BYTES);
}

void seal(struct fixture *f)
{
	store_writer_close(f->writer);
	assert_int_equal(store_writer_open(f->store, &f->writer), 0);
}

void seal_cleaned(struct fixture *f)
{
	store_writer_close(f->cleaner);
	assert_int_equal(store_writer_open(f->store, &f->cleaner), 0);
}

void put_runs(struct fixture *f, unsigned int pages)
{
	for (unsigned int i = 0; i < pages; i++)
		put(f, i, 4 + 8 * i);
	seal(f);
	for (int i = 0; i < 40; i++)
		store_clean(f->store, f->cleaner, true);
}

uint32_t write_oldest_for(struct fixture *f, uint16_t tiers, bool keep)
{
	static unsigned char copy[SEGMENT_BYTES];
	const void *bytes;
	uint32_t id = store_oldest_for_writeback(f->store, tiers, &bytes);
	uint64_t extent;

	if (!id)
		return 0;
	extent = f->fake.base.operations->allocate(&f->fake.base);
	assert_true(extent != BACKEND_NO_EXTENT);
	if (f->fake.base.seals) {
		assert_int_equal(store_seal(f->store, id, copy), 0);
		bytes = copy;
	}
	fake_backend_write(&f->fake, extent, bytes);
	store_segment_written(f->store, id, &f->fake.base, extent, keep);
	return id;
}

uint32_t write_oldest(struct fixture *f, bool keep)
{
	return write_oldest_for(f, STORE_ANY_TIER, keep);
}
