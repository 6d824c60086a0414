/* SPDX-License-Identifier: MIT */
/*
 * Moves in a row: a region is moved, shrunk, grown and moved on, onto addresses that have just
 * become free, and nothing of it is touched before the last. A check in between would put in order
 * what a pager has confused: a fault is not served while anything is under way.
 */
#include "storm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define STEPS  6
#define GROWTH 64

/* What the steps do to a region; the model follows at the end. */
struct course {
	struct worker *worker;
	char *base;
	size_t pages, kept; /* those behind `kept` are zeros */
};

/* Addresses that nobody else gets, one page off where mappings begin as a rule. */
static char *place_new(struct course *course, size_t pages)
{
	char *place = mmap(NULL, (pages + 1) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (place == MAP_FAILED)
		storm_fail(course->worker, "mmap for a destination: %m");
	munmap(place, PAGE);
	return place + PAGE;
}

static void shrink(struct course *course, size_t pages)
{
	course->pages = pages;
	if (course->kept > pages)
		course->kept = pages;
}

/* False: the kernel refuses, as it may (remap_patiently); all is as it was. */
static bool move_to(struct course *course, size_t pages, int flags, char *to)
{
	char *moved = remap_patiently(course->base, course->pages * PAGE, pages * PAGE,
				      MREMAP_MAYMOVE | flags, to);

	if (moved == MAP_FAILED && errno != EFAULT && errno != ENOMEM)
		storm_fail(course->worker, "mremap in a row: %m");
	if (moved == MAP_FAILED)
		return false;
	storm_record(course->worker, "mremap in a row", moved, pages);
	if (flags & MREMAP_DONTUNMAP)
		munmap(course->base, course->pages * PAGE);
	course->base = moved;
	shrink(course, pages);
	return true;
}

static bool move_to_place(struct course *course, size_t pages, int flags)
{
	char *place = place_new(course, pages);
	bool moved = move_to(course, pages, flags | MREMAP_FIXED, place);

	if (!moved)
		munmap(place, pages * PAGE);
	return moved;
}

static bool grow(struct course *course)
{
	size_t kept = course->kept, more = 1 + random_below(course->worker, GROWTH);

	if (course->worker->mapped + more > course->worker->most)
		return true;
	if (!move_to(course, course->pages + more, 0, NULL))
		return false;
	course->kept = kept;
	return true;
}

static bool step(struct course *course)
{
	struct worker *worker = course->worker;
	size_t less = 1 + random_below(worker, course->pages);

	switch (random_below(worker, 8)) {
	case 0:
		return move_to_place(course, course->pages, 0);
	case 1:
		return move_to_place(course, less, 0);
	case 2:
		return move_to_place(course, course->pages, MREMAP_DONTUNMAP);
	case 3:
	case 4:
		return move_to(course, course->pages, MREMAP_DONTUNMAP, NULL);
	case 5:
		munmap(course->base + less * PAGE, (course->pages - less) * PAGE);
		shrink(course, less);
		return true;
	case 6:
		if (one_in(worker, 2))
			madvise(course->base, less * PAGE, MADV_COLLAPSE);
		else
			move_to(course, less, 0, NULL);
		return true;
	default:
		return grow(course);
	}
}

/* A part goes elsewhere, and leaves a hole. */
void op_remap_part(struct worker *worker)
{
	struct region *region = region_any(worker), *moved;
	size_t first, count;
	struct page_model *model;
	char *from, *to;

	if (!region || region->brk || !region->single || region->pages < 2 ||
	    worker->region_count + 2 > MAX_REGIONS)
		return;
	count = 1 + random_below(worker, region->pages - 1);
	first = random_below(worker, region->pages - count + 1);
	from = region->base + first * PAGE;
	to = mmap(NULL, count * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	model = model_new(count);
	if (to == MAP_FAILED || !model)
		storm_fail(worker, "no memory for a part: %m");
	memcpy(model, region->model + first, count * sizeof *model);
	storm_record(worker, "mremap of a part from here", from, count);
	region_cut(worker, region, first, count);
	if (remap_patiently(from, count * PAGE, count * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) ==
	    MAP_FAILED) {
		if (errno != EFAULT)
			storm_fail(worker, "mremap of a part: %m");
		to = from; /* it stays, as a region of its own */
	}
	storm_record(worker, "mremap of a part to here", to, count);
	moved = region_add(worker, to, count, 0);
	memcpy(moved->model, model, count * sizeof *model);
	model_free(model, count);
	pages_check(worker, moved, 0, count > 4 ? 4 : count);
}

/* A place that is told from all other mappings by its looks. */
static char *place_told(struct worker *worker, size_t pages)
{
	char *place = mmap(NULL, pages * PAGE, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (place == MAP_FAILED)
		storm_fail(worker, "mmap for a destination: %m");
	return place;
}

/* Unmaps what nothing has moved to yet; returns how many pages have come. */
static size_t place_give_back(struct worker *worker, char *place, size_t pages)
{
	uintptr_t start = (uintptr_t)place, end = start + pages * PAGE;
	FILE *maps = fopen("/proc/self/maps", "re");
	size_t moved = 0;
	char line[256];

	if (!maps)
		storm_fail(worker, "/proc/self/maps: %m");
	while (fgets(line, sizeof line, maps)) {
		unsigned long from, to;
		char rights[8];

		if (sscanf(line, "%lx-%lx %7s", &from, &to, rights) != 3 || to <= start ||
		    from >= end || strcmp(rights, "---s"))
			continue;
		moved = from > start ? (from - start) / PAGE : 0;
		munmap(place + moved * PAGE, (pages - moved) * PAGE);
		break;
	}
	fclose(maps);
	return moved; /* Linux before 6.17 unmaps all of it, and then refuses */
}

/*
 * A range of several mappings (Linux 6.17): a pager's make the kernel refuse it, and those before
 * the first of them may have moved by then.
 */
void op_remap_several(struct worker *worker)
{
	struct region *region = region_any(worker);
	size_t pages, moved, first;
	struct page_model *model;
	char *from, *to;

	if (!region || region->brk || region->pages < 3 || worker->region_count == MAX_REGIONS)
		return;
	pages = region->pages;
	from = region->base;
	first = 1 + random_below(worker, pages - 2);
	region->single = false;
	madvise(from + first * PAGE, (1 + random_below(worker, pages - first)) * PAGE,
		MADV_DONTDUMP);
	to = place_told(worker, pages);
	storm_record(worker, "mremap of several from here", from, pages);
	if (remap_once(from, pages * PAGE, pages * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to) {
		region_moved(worker, region, to, pages);
		return;
	}
	if (errno != EFAULT)
		storm_fail(worker, "mremap of several mappings: %m");
	moved = place_give_back(worker, to, pages);
	if (!moved)
		return;
	storm_record(worker, "mremap of several to here", to, moved);
	model = model_new(moved);
	memcpy(model, region->model, moved * sizeof *model);
	region_cut(worker, region, 0, moved);
	region = region_add(worker, to, moved, 0);
	region->single = false;
	memcpy(region->model, model, moved * sizeof *model);
	model_free(model, moved);
	pages_check(worker, region, 0, moved > 4 ? 4 : moved);
}

void op_remap_row(struct worker *worker)
{
	struct region *region = region_any(worker);
	unsigned int steps = 1 + random_below(worker, STEPS);
	struct course course = {.worker = worker};

	if (!region || region->brk || !region->single)
		return;
	course.base = region->base;
	course.pages = course.kept = region->pages;
	storm_record(worker, "mremap in a row from here", course.base, course.pages);
	while (steps-- && step(&course))
		;
	pages_forget(region, course.kept, region->pages - course.kept);
	region_moved(worker, region, course.base, course.pages);
}
