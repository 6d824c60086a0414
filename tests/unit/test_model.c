// SPDX-License-Identifier: MIT
/*
 * Description: random operations on a space and its store against plain arrays:
 * put, get, clean pages, clear, move, fork and split, cleaning with and without
 * the strong codec, writeback, draining and compacting a backend, a changing RAM limit.
 *
 * test_model [operations [seed [sealed | in-place]]]
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fake_backend.h"
#include "pattern.h"
#include "store/store.h"

#define PAGES	 4096u
#define MEMORIES 6u
#define BASE	 0x7f1200300000ull /* no multiple of 2 MiB */
#define EXTENTS	 48u
#define FRAMES	 24u

enum where { ABSENT, RESIDENT, SWAPPED };

struct page {
	uint64_t number;
	enum where where;
};

struct model {
	struct memory *memory; /* NULL: not in use */
	struct page pages[PAGES];
};

static struct model models[MEMORIES];
static struct store *store;
static struct space *space;
static struct store_writer *writer, *cleaner;
static struct fake_backend fake;
static uint64_t random_state, numbers, refused;

static uint64_t choose(uint64_t below)
{
	return random_next(&random_state) % below;
}

static void fail(const char *what, const struct model *model, unsigned int page)
{
	fprintf(stderr, "model: %s: memory %d page %u\n", what, (int)(model - models), page);
	abort();
}

static uint64_t address_of(unsigned int page)
{
	return BASE + (uint64_t)page * PAGE_BYTES;
}

/* ---- room ---- */

static void write_back(void)
{
	static unsigned char copy[SEGMENT_BYTES];
	const void *bytes;
	uint64_t extent = fake.base.operations->allocate(&fake.base);
	uint32_t id = extent == BACKEND_NO_EXTENT ? 0 : store_oldest_for_writeback(store, STORE_ANY_TIER, &bytes);

	if (id && choose(8)) {
		if (fake.base.seals && store_seal(store, id, copy))
			fail("seal", &models[0], 0);
		fake_backend_write(&fake, extent, fake.base.seals ? copy : bytes);
		store_segment_written(store, id, &fake.base, extent, choose(2));
		return;
	}
	if (id)
		store_segment_unwritten(store, id);
	if (extent != BACKEND_NO_EXTENT)
		fake.base.operations->release(&fake.base, extent);
}

static bool make_room(unsigned int pages)
{
	for (int i = 0; store_reserve(writer, pages); i++) {
		if (i == 20) {
			refused++;
			return false;
		}
		if (!store_clean(store, cleaner, choose(2)))
			write_back();
		store_compact(store, cleaner, &fake.base);
	}
	return true;
}

/* ---- what a pager does ---- */

static void touch(struct model *model, unsigned int page)
{
	struct page *at = &model->pages[page];
	slot_t *slot = memory_bind(model->memory, address_of(page));

	if (!slot)
		fail("no cluster", model, page);
	if (at->where == ABSENT) {
		if (!slot_change(slot, DESC_ABSENT, DESC_RESIDENT))
			fail("an absent page has a word", model, page);
		at->where = RESIDENT;
	}
	if (at->where == RESIDENT)
		at->number = choose(6) ? ++numbers : 0;
}

static void check_bytes(struct model *model, unsigned int page, desc_t word)
{
	unsigned char bytes[PAGE_BYTES];

	if (store_get(store, word, bytes))
		fail("get failed", model, page);
	if (!pattern_matches(model->pages[page].number, bytes))
		fail("wrong bytes", model, page);
}

static void evict(struct model *model, unsigned int page)
{
	unsigned char bytes[PAGE_BYTES];
	slot_t *slot;
	desc_t word, put;

	if (model->pages[page].where != RESIDENT)
		return;
	slot = memory_bind(model->memory, address_of(page));
	word = slot_lock(slot);
	if (desc_state(word) != DESC_RESIDENT)
		fail("a resident page is not", model, page);
	pattern_fill(model->pages[page].number, bytes);
	if (store_is_same(store, word, bytes)) {
		slot_unlock(slot, desc_make_stored(word));
	} else {
		put = store_put(writer, memory_slot_id(model->memory, address_of(page)), bytes);
		slot_unlock(slot, put | (word & DESC_REFERENCED));
		space_drop(space, word);
	}
	model->pages[page].where = SWAPPED;
}

static void fault(struct model *model, unsigned int page)
{
	slot_t *slot;
	desc_t word;

	if (model->pages[page].where != SWAPPED)
		return;
	slot = memory_bind(model->memory, address_of(page));
	word = slot_lock(slot);
	check_bytes(model, page, word);
	if (desc_state(word) == DESC_STORED && choose(4)) {
		slot_unlock(slot, desc_location(word) | DESC_RESIDENT | DESC_REFERENCED);
	} else {
		slot_unlock(slot, DESC_RESIDENT);
		space_drop(space, word);
	}
	model->pages[page].where = RESIDENT;
}

static void peek(struct model *model, unsigned int page)
{
	slot_t *slot = memory_look(model->memory, address_of(page));
	desc_t word;

	if (model->pages[page].where == ABSENT) {
		if (slot && desc_state(*slot) != DESC_ABSENT)
			fail("an absent page has a word", model, page);
		return;
	}
	word = slot_lock(slot);
	if (model->pages[page].where == SWAPPED)
		check_bytes(model, page, word);
	else if (desc_state(word) != DESC_RESIDENT)
		fail("a resident page is not", model, page);
	slot_unlock(slot, word);
}

/* ---- operations on ranges ---- */

static void some_pages(struct model *model, void (*operation)(struct model *, unsigned int))
{
	unsigned int count = 1 + (unsigned int)choose(200), first = (unsigned int)choose(PAGES);
	bool scattered = !choose(4);

	for (unsigned int i = 0; i < count; i++) {
		unsigned int page = scattered ? (unsigned int)choose(PAGES) : (first + i) % PAGES;

		operation(model, page);
	}
}

static void clear_some(struct model *model)
{
	unsigned int first = (unsigned int)choose(PAGES), count = (unsigned int)choose(700);

	if (first + count > PAGES)
		count = PAGES - first;
	if (memory_clear(model->memory, address_of(first), address_of(first + count)))
		fail("clear", model, first);
	for (unsigned int i = first; i < first + count; i++)
		model->pages[i] = (struct page){0};
}

static void move_some(struct model *model)
{
	unsigned int count = 1 + (unsigned int)choose(1200);
	unsigned int from = (unsigned int)choose(PAGES / 2 - count);
	unsigned int to = PAGES / 2 + (unsigned int)choose(PAGES / 2 - count);

	if (choose(2)) {
		/* Alike within 64 KiB: clusters move whole. */
		to = from + PAGES / 2;
	}
	if (choose(2)) {
		unsigned int swap = from;

		from = to;
		to = swap;
	}
	if (memory_move(model->memory, address_of(from), address_of(to),
			(uint64_t)count * PAGE_BYTES))
		fail("move", model, from);
	memcpy(&model->pages[to], &model->pages[from], count * sizeof(struct page));
	memset(&model->pages[from], 0, count * sizeof(struct page));
}

static void fork_or_close(struct model *model)
{
	struct model *other = &models[choose(MEMORIES)];

	if (other == model)
		return;
	if (other->memory) {
		memory_close(other->memory);
		other->memory = NULL;
		return;
	}
	if (memory_open(&other->memory, space) || memory_fork(model->memory, other->memory))
		fail("fork", model, 0);
	memcpy(other->pages, model->pages, sizeof(model->pages));
}

static void change_ram(void)
{
	store_set_ram(store, (8 + choose(FRAMES - 8)) * SEGMENT_BYTES);
}

static struct model *some_model(void)
{
	struct model *model = &models[choose(MEMORIES)];

	while (!model->memory)
		model = &models[(model - models + 1) % MEMORIES];
	return model;
}

static void step(void)
{
	struct model *model = some_model();

	switch (choose(40)) {
	case 0 ... 7:
		some_pages(model, touch);
		break;
	case 8 ... 15:
		if (make_room(200))
			some_pages(model, evict);
		store_published(writer);
		break;
	case 16 ... 21:
		some_pages(model, fault);
		break;
	case 22 ... 25:
		some_pages(model, peek);
		break;
	case 26 ... 27:
		clear_some(model);
		break;
	case 28:
		move_some(model);
		break;
	case 29:
		if (!choose(4))
			fork_or_close(model);
		break;
	case 30 ... 32:
		store_clean(store, cleaner, choose(2));
		break;
	case 33 ... 35:
		write_back();
		break;
	case 36:
		store_compact(store, cleaner, &fake.base);
		break;
	case 37:
		store_drain_one(store, &fake.base, false);
		break;
	case 38:
		change_ram();
		break;
	default:
		if (!choose(10))
			store_check(store);
	}
}

static void check_all(void)
{
	for (unsigned int i = 0; i < MEMORIES; i++)
		for (unsigned int page = 0; models[i].memory && page < PAGES; page++)
			peek(&models[i], page);
	store_check(store);
}

int main(int argc, char **argv)
{
	uint64_t operations = argc > 1 ? strtoull(argv[1], NULL, 0) : 20000;
	struct store_config config = {.ram_bytes = FRAMES * SEGMENT_BYTES,
				      .ram_bytes_highest = FRAMES * SEGMENT_BYTES,
				      .segments = FRAMES + EXTENTS,
				      .seals = argc > 3 && !strcmp(argv[3], "sealed"),
				      .in_place = argc > 3 && !strcmp(argv[3], "in-place")};
	struct store_statistics statistics;

	random_state = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	fake_backend_open(&fake, EXTENTS);
	fake.base.seals = config.seals;
	if (store_open(&store, &config, 32768) || store_writer_open(store, &writer) ||
	    store_writer_open(store, &cleaner))
		return 1;
	space = store_space(store);
	if (memory_open(&models[0].memory, space))
		return 1;
	for (uint64_t i = 0; i < operations; i++)
		step();
	check_all();
	store_statistics(store, &statistics);
	while (!store_drain_one(store, &fake.base, false))
		store_clean(store, cleaner, true);
	check_all();
	for (unsigned int i = 0; i < MEMORIES; i++)
		if (models[i].memory)
			memory_close(models[i].memory);
	store_writer_close(writer);
	store_writer_close(cleaner);
	store_check(store);
	if (store_ram_bytes(store) > 4 * SEGMENT_BYTES || fake.used) {
		fprintf(stderr, "model: bytes are left: RAM %llu, extents %u\n",
			(unsigned long long)store_ram_bytes(store), fake.used);
		return 1;
	}
	store_close(store);
	fake_backend_close(&fake);
	printf("%llu operations, %llu evictions refused, %llu pages recoded, %llu segments "
	       "cleaned\n",
	       (unsigned long long)operations, (unsigned long long)refused,
	       (unsigned long long)statistics.recoded_pages,
	       (unsigned long long)statistics.cleaned_segments);
	return 0;
}
