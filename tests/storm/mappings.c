/* SPDX-License-Identifier: MIT */
/* mmap, munmap, mremap, mprotect and brk. */
#include "storm.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t random_size(struct worker *worker)
{
	switch (random_below(worker, 16)) {
	case 0 ... 7:
		return 1 + random_below(worker, 16);
	case 8 ... 12:
		return 1 + random_below(worker, 512);
	case 13 ... 14:
		return 1 + random_below(worker, 2048);
	default:
		return 1 + random_below(worker, MAX_REGION_PAGES);
	}
}

static bool has_room(struct worker *worker, size_t pages, unsigned int regions)
{
	return worker->mapped + pages <= worker->most &&
	       worker->region_count + regions <= MAX_REGIONS;
}

void op_map(struct worker *worker)
{
	size_t pages = random_size(worker);
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	struct region *region;
	char *base;

	if (!has_room(worker, pages, 1)) {
		op_unmap(worker);
		return;
	}
	if (one_in(worker, 4))
		flags |= MAP_NORESERVE;
	if (one_in(worker, 8))
		flags |= MAP_POPULATE;
	base = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (base == MAP_FAILED)
		storm_fail(worker, "mmap of %zu pages: %m", pages);
	storm_record(worker, flags & MAP_POPULATE ? "mmap populate" : "mmap", base, pages);
	region = region_add(worker, base, pages, 0);
	pages_check_some(worker, region, 0, pages);
	if (!one_in(worker, 4))
		pages_write(worker, region, 0, pages > 256 ? 256 : pages);
}

/* Replaces a part of a region of our own. */
void op_map_fixed(struct worker *worker)
{
	struct region *region = region_any(worker);
	size_t first, count;
	char *at;

	if (!region || region->brk)
		return;
	count = 1 + random_below(worker, region->pages > 600 ? 600 : region->pages);
	first = random_below(worker, region->pages - count + 1);
	at = region->base + first * PAGE;
	storm_record(worker, "mmap fixed", at, count);
	if (mmap(at, count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0) == MAP_FAILED)
		storm_fail(worker, "mmap MAP_FIXED: %m");
	pages_forget(region, first, count);
	pages_flag(region, first, count, 0, ~0u);
	region->single = count == region->pages;
	pages_check_some(worker, region, first, count);
	if (one_in(worker, 2))
		pages_write(worker, region, first, count);
}

/* Address space first, memory later, as allocators do. */
void op_reserve(struct worker *worker)
{
	size_t pages = 2 + random_size(worker), used = 1 + random_below(worker, pages);
	struct region *region;
	char *base;

	if (!has_room(worker, pages, 1))
		return;
	base = mmap(NULL, pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		    0);
	if (base == MAP_FAILED)
		storm_fail(worker, "mmap PROT_NONE: %m");
	storm_record(worker, "reserve", base, pages);
	region = region_add(worker, base, pages, PAGE_NONE);
	region->single = false;
	/* In two steps, so that mappings grow under whoever watches them. */
	for (unsigned int step = 1; step <= 2; step++) {
		size_t now = used * step / 2;

		if (!now)
			continue;
		if (mprotect(base, now * PAGE, PROT_READ | PROT_WRITE))
			storm_fail(worker, "mprotect of a reserve: %m");
		pages_flag(region, 0, now, 0, PAGE_NONE);
		pages_write(worker, region, 0, now > 128 ? 128 : now);
	}
	pages_check_some(worker, region, 0, used);
}

void op_unmap(struct worker *worker)
{
	struct region *region = region_any(worker);
	size_t first = 0, count;
	char *at;

	if (!region || region->brk)
		return;
	count = region->pages;
	if (count > 2 && one_in(worker, 2)) {
		count = 1 + random_below(worker, count - 1);
		if (one_in(worker, 2))
			first = random_below(worker, region->pages - count + 1);
	}
	if (worker->region_count == MAX_REGIONS) {
		first = 0;
		count = region->pages;
	}
	at = region->base + first * PAGE;
	storm_record(worker, "munmap", at, count);
	/* The table first: another thread may get the addresses at once. */
	region_cut(worker, region, first, count);
	if (munmap(at, count * PAGE))
		storm_fail(worker, "munmap: %m");
}

void region_moved(struct worker *worker, struct region *region, char *base, size_t pages)
{
	size_t kept = pages < region->pages ? pages : region->pages;
	uint32_t flags = region->model[region->pages - 1].flags & ~PAGE_FREED;
	struct page_model *model = model_new(pages);

	if (!model)
		storm_fail(worker, "no memory for the model");
	memcpy(model, region->model, kept * sizeof *model);
	model_free(region->model, region->pages);
	worker->mapped = worker->mapped - region->pages + pages;
	region->base = base;
	region->model = model;
	region->pages = pages;
	if (pages > kept)
		pages_flag(region, kept, pages - kept, flags, ~0u);
	storm_record(worker, "mremap to here", base, pages);
	pages_check(worker, region, kept > 4 ? kept - 4 : 0, kept > 4 ? 4 : kept);
	if (pages > kept)
		pages_check_some(worker, region, kept, pages - kept);
}

/*
 * Where pages may be merged the kernel breaks off when a signal or a debugger's stop comes in the
 * middle, and begins anew, although what was at a given place is gone by then: onto addresses that
 * another thread may have got meanwhile. So none of them may be merged.
 */
void *remap_once(char *base, size_t old_size, size_t new_size, int flags, void *to)
{
	if (flags & MREMAP_FIXED)
		madvise(base, old_size, MADV_UNMERGEABLE);
	return mremap(base, old_size, new_size, flags, to);
}

static bool is_one_mapping(const char *base, size_t size)
{
	uintptr_t start = (uintptr_t)base, end = start + size;
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long from, to;
	bool is = false;
	char line[256];

	while (maps && !is && fgets(line, sizeof line, maps))
		is = sscanf(line, "%lx-%lx", &from, &to) == 2 && from <= start && to >= end;
	if (maps)
		fclose(maps);
	return is;
}

/*
 * Under a pager a mapping that was just made inside another stays one of its own for some
 * milliseconds, for good if it was touched before, and mremap over both says EFAULT: a limit that
 * docs/limits.md states. It is waited for, and said; what is not moved must still be right. Linux
 * 6.17 may move some of several mappings to a fixed place before it refuses: that is not tried here
 * (op_remap_several).
 */
void *remap_patiently(char *base, size_t old_size, size_t new_size, int flags, void *to)
{
	char *moved = MAP_FAILED;

	for (int tries = 0; tries < 200; tries++) {
		errno = EFAULT;
		if (!(flags & MREMAP_FIXED) || is_one_mapping(base, old_size))
			moved = remap_once(base, old_size, new_size, flags, to);
		if (moved != MAP_FAILED || errno != EFAULT)
			break;
		usleep(1000);
	}
	if (moved == MAP_FAILED && errno == EFAULT) {
		fprintf(stderr, "storm: an mremap was refused with EFAULT\n");
		errno = EFAULT;
	}
	return moved;
}

static void remap_fixed(struct worker *worker, struct region *region)
{
	struct region *over = region_any(worker);
	size_t pages = region->pages;
	char *to, *base;

	if (over == region || over->brk || over->pages < pages || one_in(worker, 3)) {
		to = mmap(NULL, pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (to == MAP_FAILED)
			storm_fail(worker, "mmap for a destination: %m");
	} else {
		to = over->base;
		base = region->base;
		region_cut(worker, over, 0, pages);
		for (region = worker->regions; region->base != base;)
			region++;
	}
	storm_record(worker, "mremap fixed from here", region->base, pages);
	base = remap_patiently(region->base, pages * PAGE, pages * PAGE,
			       MREMAP_MAYMOVE | MREMAP_FIXED, to);
	if (base == MAP_FAILED && errno == EFAULT)
		return;
	if (base == MAP_FAILED)
		storm_fail(worker, "mremap MREMAP_FIXED of %zu pages: %m", pages);
	region_moved(worker, region, base, pages);
}

static void remap_keep(struct worker *worker, struct region *region)
{
	size_t pages = region->pages;
	unsigned int index = region - worker->regions;
	struct region *moved;
	char *base;

	if (!has_room(worker, pages, 1))
		return;
	storm_record(worker, "mremap dontunmap from here", region->base, pages);
	base = remap_patiently(region->base, pages * PAGE, pages * PAGE,
			       MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	if (base == MAP_FAILED) {
		if (errno == EINVAL || errno == ENOMEM || errno == EFAULT)
			return;
		storm_fail(worker, "mremap MREMAP_DONTUNMAP: %m");
	}
	storm_record(worker, "mremap dontunmap to here", base, pages);
	moved = region_add(worker, base, pages, 0);
	region = &worker->regions[index];
	memcpy(moved->model, region->model, pages * sizeof *moved->model);
	pages_forget(region, 0, pages);
	pages_check_some(worker, moved, 0, pages);
	pages_check_some(worker, region, 0, pages);
}

void op_remap(struct worker *worker)
{
	struct region *region = region_any(worker);
	unsigned int kind = random_below(worker, 5);
	size_t pages;
	char *base;

	if (!region || region->brk || !region->single)
		return;
	if (kind == 0) {
		remap_fixed(worker, region);
		return;
	}
	if (kind == 1) {
		remap_keep(worker, region);
		return;
	}
	if (kind == 2) {
		pages = 1 + random_below(worker, region->pages);
	} else {
		pages = region->pages + 1 +
			random_below(worker, region->pages > 512 ? 512 : region->pages);
		if (!has_room(worker, pages - region->pages, 0))
			return;
	}
	storm_record(worker, "mremap resize", region->base, region->pages);
	base = remap_patiently(region->base, region->pages * PAGE, pages * PAGE,
			       kind == 3 ? 0 : MREMAP_MAYMOVE, NULL);
	if (base == MAP_FAILED) {
		if (errno == ENOMEM || errno == EFAULT)
			return;
		storm_fail(worker, "mremap from %zu to %zu pages: %m", region->pages, pages);
	}
	region_moved(worker, region, base, pages);
}

/* A page that may be either is made the one or the other; it must be writable still. */
static void settle(struct region *region, size_t first, size_t count)
{
	for (size_t i = first; i < first + count; i++)
		if (region->model[i].flags & PAGE_FREED)
			page_poke(region, i);
}

void op_protect(struct worker *worker)
{
	struct region *region = region_any(worker);
	size_t first = 0, count;
	uint32_t flags = 0;
	int protection = PROT_READ | PROT_WRITE;
	char *at;

	if (!region)
		return;
	count = region->pages;
	if (count > 1 && one_in(worker, 2)) {
		count = 1 + random_below(worker, count);
		first = random_below(worker, region->pages - count + 1);
		region->single = false;
	}
	switch (random_below(worker, 5)) {
	case 0:
		protection = PROT_READ;
		flags = PAGE_READONLY;
		break;
	case 1:
		protection = PROT_NONE;
		flags = PAGE_NONE;
		break;
	}
	at = region->base + first * PAGE;
	storm_record(worker,
		     flags ? flags == PAGE_NONE ? "mprotect none" : "mprotect ro" : "mprotect rw",
		     at, count);
	settle(region, first, count);
	if (mprotect(at, count * PAGE, protection))
		storm_fail(worker, "mprotect: %m");
	pages_flag(region, first, count, flags, PAGE_NONE | PAGE_READONLY);
	if (flags != PAGE_NONE)
		pages_check_some(worker, region, first, count);
}

/* Only the first worker's: nothing else in the program moves the break (storm.c sees to it). */
void op_break(struct worker *worker)
{
	struct region *region = NULL;
	size_t pages = 1 + random_below(worker, 64);
	char *end = sbrk(0);

	if (worker->id != 0)
		return;
	for (unsigned int r = 0; r < worker->region_count; r++)
		if (worker->regions[r].brk &&
		    worker->regions[r].base + worker->regions[r].pages * PAGE == end)
			region = &worker->regions[r];
	if (region && one_in(worker, 2)) {
		if (pages > region->pages)
			pages = region->pages;
		storm_record(worker, "brk shrink", end - pages * PAGE, pages);
		region_cut(worker, region, region->pages - pages, pages);
		if (sbrk(-(intptr_t)(pages * PAGE)) == (void *)-1)
			storm_fail(worker, "sbrk: %m");
		return;
	}
	if (!has_room(worker, pages, 1) || (uintptr_t)end % PAGE)
		return;
	if (sbrk(pages * PAGE) != end)
		storm_fail(worker, "sbrk: somebody else moved the break");
	storm_record(worker, "brk grow", end, pages);
	region = region_add(worker, end, pages, 0);
	region->brk = true;
	region->single = false;
	pages_check_some(worker, region, 0, pages);
	pages_write(worker, region, 0, pages);
}
