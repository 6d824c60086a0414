/* SPDX-License-Identifier: MIT */
/* The table of a worker's regions, and picking from it. */
#include "storm.h"

#include <string.h>
#include <sys/mman.h>

struct page_model *model_new(size_t pages)
{
	void *model = mmap(NULL, pages * sizeof(struct page_model), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return model == MAP_FAILED ? NULL : model;
}

void model_free(struct page_model *model, size_t pages)
{
	munmap(model, pages * sizeof(struct page_model));
}

struct region *region_add(struct worker *worker, char *base, size_t pages, uint32_t flags)
{
	struct region *region;

	if (worker->region_count == MAX_REGIONS)
		return NULL;
	region = &worker->regions[worker->region_count];
	*region = (struct region){.base = base, .pages = pages, .single = true};
	region->model = model_new(pages);
	if (!region->model)
		storm_fail(worker, "no memory for the model of %zu pages", pages);
	if (flags)
		pages_flag(region, 0, pages, flags, 0);
	worker->region_count++;
	worker->mapped += pages;
	return region;
}

bool region_cut(struct worker *worker, struct region *region, size_t first, size_t count)
{
	struct region old = *region;
	size_t behind = old.pages - first - count;

	if (first && behind && worker->region_count == MAX_REGIONS)
		return false;
	worker->mapped -= old.pages;
	*region = worker->regions[--worker->region_count];
	if (first) {
		struct region *head = region_add(worker, old.base, first, 0);

		memcpy(head->model, old.model, first * sizeof *old.model);
		head->single = old.single;
		head->brk = old.brk;
	}
	if (behind) {
		struct region *rest =
			region_add(worker, old.base + (first + count) * PAGE, behind, 0);

		memcpy(rest->model, old.model + first + count, behind * sizeof *old.model);
		rest->single = old.single;
		rest->brk = old.brk;
	}
	model_free(old.model, old.pages);
	return true;
}

struct region *region_any(struct worker *worker)
{
	if (!worker->region_count)
		return NULL;
	return &worker->regions[random_below(worker, worker->region_count)];
}

struct region *run_any(struct worker *worker, size_t most, bool write, size_t *first, size_t *count)
{
	for (unsigned int try = 0; try < 8; try++) {
		struct region *region = region_any(worker);
		size_t n;

		if (!region)
			return NULL;
		n = 1 + random_below(worker, most);
		if (n > region->pages)
			n = region->pages;
		*first = random_below(worker, region->pages - n + 1);
		*count = n;
		if (pages_have(region, *first, n, PAGE_NONE | (write ? PAGE_READONLY : 0)))
			continue;
		for (size_t i = *first; i < *first + n; i++)
			if (region->model[i].flags & PAGE_FREED)
				page_poke(region, i);
		return region;
	}
	return NULL;
}
