/* SPDX-License-Identifier: MIT */
#include "pager/changes/fit.h"

#include "attach/maps.h"
#include "base/page.h"
#include "pager/attached/pagemap.h"
#include "pager/attached/state.h"
#include "space/descriptor.h"
#include "space/space.h"

struct fitting {
	const struct attached *attached;
	uint64_t slots, start;
	struct fit fit;
	uint64_t found; /* of what the words say that is there */
};

static desc_t word_of(const struct fitting *fitting, uint64_t address)
{
	const slot_t *slot =
		memory_look(fitting->attached->memory, address - fitting->start + fitting->slots);

	return slot ? atomic_load(slot) : DESC_ABSENT;
}

static bool is_resident(desc_t word)
{
	return desc_state(word) == DESC_RESIDENT;
}

static bool has_mark(desc_t word)
{
	return desc_is_swapped(word) && word & DESC_MARKED;
}

static void fit_present(void *argument, uint64_t start, uint64_t end)
{
	struct fitting *fitting = argument;

	for (uint64_t at = start; at < end; at += PAGE_BYTES) {
		desc_t word = word_of(fitting, at);

		fitting->found += is_resident(word);
		fitting->fit.agree += is_resident(word);
		fitting->fit.against += !is_resident(word) && desc_state(word) != DESC_ABSENT;
	}
}

static void fit_marked(void *argument, uint64_t start, uint64_t end)
{
	struct fitting *fitting = argument;

	for (uint64_t at = start; at < end; at += PAGE_BYTES) {
		desc_t word = word_of(fitting, at);

		/* Its word may not know of it (page_marks.c). */
		fitting->found += has_mark(word);
		fitting->fit.agree += desc_is_swapped(word);
		fitting->fit.against += !desc_is_swapped(word);
	}
}

struct fit fit_of(const struct attached *attached, uint64_t slots, uint64_t start, uint64_t end)
{
	struct fitting fitting = {.attached = attached, .slots = slots, .start = start};
	int pagemap = pagemap_of(attached);
	uint64_t expected = 0;

	assert_writing(&attached->lock);
	if (pagemap < 0)
		return fitting.fit;
	for (uint64_t at = start; at < end; at += PAGE_BYTES) {
		desc_t word = word_of(&fitting, at);

		expected += is_resident(word) || has_mark(word);
	}
	if (maps_present(pagemap, start, end, fit_present, &fitting) ||
	    maps_each_marked(pagemap, start, end, fit_marked, &fitting))
		return (struct fit){0};
	fitting.fit.missing = expected - fitting.found;
	return fitting.fit;
}
