/* SPDX-License-Identifier: MIT */
/* Reading, writing, copying and advising. */
#include "storm.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_COLD
#define MADV_COLD    20
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE  103
#endif

/* Of an entry of /proc/self/pagemap; the mark is userfaultfd's. */
#define GUARDED		64 /* pages, at most at once */
#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_MARKED	(1ull << 57)

void op_write(struct worker *worker)
{
	size_t first, count;
	struct region *region =
		run_any(worker, one_in(worker, 8) ? 2048 : 64, true, &first, &count);

	if (region)
		pages_write(worker, region, first, count);
}

void op_poke(struct worker *worker)
{
	size_t first, count;
	struct region *region = run_any(worker, 256, true, &first, &count);

	if (!region)
		return;
	storm_record(worker, "poke", region->base + first * PAGE, count);
	for (size_t i = first; i < first + count; i++)
		if (one_in(worker, 2))
			page_poke(region, i);
}

/* Forwards, backwards, or here and there. */
void op_check(struct worker *worker)
{
	struct region *region = region_any(worker);
	size_t count, first;

	if (!region)
		return;
	count = 1 + random_below(worker, region->pages > 512 ? 512 : region->pages);
	first = random_below(worker, region->pages - count + 1);
	switch (random_below(worker, 3)) {
	case 0:
		pages_check(worker, region, first, count);
		break;
	case 1:
		for (size_t i = first + count; i-- > first;)
			page_check(worker, region, i);
		break;
	default:
		for (size_t i = 0; i < count / 8 + 1; i++)
			page_check(worker, region, random_below(worker, region->pages));
	}
}

void op_sweep(struct worker *worker)
{
	worker_check_all(worker);
}

static void copy_models(struct page_model *to, const struct page_model *from, size_t count)
{
	static __thread struct page_model copy[512];

	memcpy(copy, from, count * sizeof *copy);
	for (size_t i = 0; i < count; i++) {
		to[i].key = copy[i].key;
		to[i].tail = copy[i].tail;
	}
}

void op_copy(struct worker *worker)
{
	size_t first, count, to_first, to_count;
	struct region *from = run_any(worker, 512, false, &first, &count);
	struct region *to = run_any(worker, 512, true, &to_first, &to_count);

	if (!from || !to)
		return;
	if (to_count < count)
		count = to_count;
	storm_record(worker, "copy from here", from->base + first * PAGE, count);
	storm_record(worker, "copy to here", to->base + to_first * PAGE, count);
	memmove(to->base + to_first * PAGE, from->base + first * PAGE, count * PAGE);
	copy_models(to->model + to_first, from->model + first, count);
}

struct advice {
	int advice;
	const char *name;
	uint32_t set, clear; /* of the pages' flags */
	bool forget, writable, splits;
};

static const struct advice advices[] = {
	{MADV_DONTNEED, "madvise dontneed", 0, PAGE_FREED, true, false, false},
	{MADV_DONTNEED, "madvise dontneed", 0, PAGE_FREED, true, false, false},
	{MADV_DONTNEED, "madvise dontneed", 0, PAGE_FREED, true, false, false},
	{MADV_DONTNEED_LOCKED, "madvise dontneed locked", 0, PAGE_FREED, true, false, false},
	{MADV_REMOVE, "madvise remove", 0, 0, false, false, false},
	{MADV_FREE, "madvise free", PAGE_FREED, 0, false, true, false},
	{MADV_FREE, "madvise free", PAGE_FREED, 0, false, true, false},
	{MADV_WIPEONFORK, "madvise wipeonfork", PAGE_WIPE, 0, false, false, true},
	{MADV_KEEPONFORK, "madvise keeponfork", 0, PAGE_WIPE, false, false, true},
	{MADV_DONTFORK, "madvise dontfork", PAGE_DONTFORK, 0, false, false, true},
	{MADV_DOFORK, "madvise dofork", 0, PAGE_DONTFORK, false, false, true},
	{MADV_HUGEPAGE, "madvise hugepage", 0, 0, false, false, true},
	{MADV_NOHUGEPAGE, "madvise nohugepage", 0, 0, false, false, true},
	{MADV_COLD, "madvise cold", 0, 0, false, false, false},
	{MADV_PAGEOUT, "madvise pageout", 0, 0, false, false, false},
	{MADV_WILLNEED, "madvise willneed", 0, 0, false, false, false},
	{MADV_POPULATE_READ, "madvise populate read", 0, 0, false, true, false},
	{MADV_POPULATE_WRITE, "madvise populate write", 0, PAGE_FREED, false, true, false},
	{MADV_MERGEABLE, "madvise mergeable", 0, 0, false, false, true},
};

void op_advise(struct worker *worker)
{
	const struct advice *a = &advices[random_below(worker, sizeof advices / sizeof advices[0])];
	struct region *region = region_any(worker);
	size_t first = 0, count;
	char *at;

	if (!region)
		return;
	count = region->pages;
	if (count > 1 && !one_in(worker, 4)) {
		count = 1 + random_below(worker, count > 600 ? 600 : count);
		first = random_below(worker, region->pages - count + 1);
	}
	if (a->writable && pages_have(region, first, count, PAGE_NONE | PAGE_READONLY))
		return;
	if (a->splits && count < region->pages)
		region->single = false;
	at = region->base + first * PAGE;
	storm_record(worker, a->name, at, count);
	/* Whoever makes pages present settles first what a freed one is. */
	if (a->clear & PAGE_FREED && !a->forget)
		for (size_t i = first; i < first + count; i++)
			if (region->model[i].flags & PAGE_FREED)
				page_poke(region, i);
	if (madvise(at, count * PAGE, a->advice)) {
		/* What this kernel was built without, or has for files only. */
		if (errno == EINVAL &&
		    (a->advice == MADV_MERGEABLE || a->advice == MADV_REMOVE || a->splits))
			return;
		storm_fail(worker, "%s of %zu pages at %p: %m", a->name, count, (void *)at);
	}
	pages_flag(region, first, count, a->set, a->clear);
	if (a->forget)
		pages_forget(region, first, count);
	pages_check_some(worker, region, first, count);
}

/* What has left and has no mark yet comes back: a guard that came and went before the mark would
 * not be noticed (docs/limits.md). False: there was such a page. */
static bool all_marked(const struct region *region, size_t first, size_t count)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uintptr_t start = (uintptr_t)region->base / PAGE + first;
	uint64_t entries[GUARDED];
	bool all = true;

	/* In one read: until the guard is there no time must pass. */
	if (pread(pagemap, entries, count * sizeof *entries, (off_t)(start * sizeof *entries)) !=
	    (ssize_t)(count * sizeof *entries))
		count = 0;
	for (size_t i = 0; i < count; i++) {
		if (entries[i] & (PAGEMAP_PRESENT | PAGEMAP_MARKED) ||
		    !region->model[first + i].key)
			continue;
		(void)*(const volatile char *)(region->base + (first + i) * PAGE);
		all = false;
	}
	if (pagemap >= 0)
		close(pagemap);
	return all;
}

/* Guards take pages away without an event, and leave zeros when they go. */
void op_guard(struct worker *worker)
{
	size_t first, count;
	struct region *region = run_any(worker, GUARDED, false, &first, &count);
	unsigned int tries = 0;
	char *at;

	if (!region)
		return;
	at = region->base + first * PAGE;
	storm_record(worker, "guard", at, count);
	while (!all_marked(region, first, count))
		if (++tries == 100)
			return;
	if (madvise(at, count * PAGE, MADV_GUARD_INSTALL)) {
		if (errno == EINVAL)
			return; /* this kernel has none, or what is there cannot have them */
		storm_fail(worker, "guard of %zu pages at %p: %m", count, (void *)at);
	}
	for (uint64_t i = random_below(worker, 3); i; i--)
		op_common(worker); /* other memory */
	if (madvise(at, count * PAGE, MADV_GUARD_REMOVE))
		storm_fail(worker, "guard removed: %m");
	pages_flag(region, first, count, 0, PAGE_FREED);
	pages_forget(region, first, count);
	pages_check_some(worker, region, first, count);
}

/* Locked pages must not leave: while they are locked, other memory is looked at. */
void op_lock(struct worker *worker)
{
	size_t first, count;
	struct region *region = run_any(worker, 32, true, &first, &count);
	char *at;

	if (!region)
		return;
	at = region->base + first * PAGE;
	if (mlock(at, count * PAGE)) {
		if (errno == ENOMEM || errno == EAGAIN || errno == EPERM)
			return;
		storm_fail(worker, "mlock: %m");
	}
	region->single = false;
	storm_record(worker, "mlock", at, count);
	pages_check(worker, region, first, count);
	for (unsigned int i = 0; i < 8; i++)
		op_check(worker);
	pages_check(worker, region, first, count);
	pages_write(worker, region, first, count);
	if (munlock(at, count * PAGE))
		storm_fail(worker, "munlock: %m");
	storm_record(worker, "munlock", at, count);
}

/* A step of the memory that all workers use. */
void op_common(struct worker *worker)
{
	static void (*const steps[])(struct worker *) = {
		op_map,	  op_map_fixed, op_unmap,   op_remap,	     op_advise, op_write,
		op_write, op_poke,	op_check,   op_check,	     op_copy,	op_remap_row,
		op_guard, op_shm,	op_refused, op_remap_several};

	if (worker == common || !common_usable || pthread_mutex_trylock(&common_lock))
		return;
	common->slot = worker->slot;
	/* Keys stay unique: every worker draws from its own serials. */
	common->serial = worker->serial;
	for (unsigned int i = 0; i < 4; i++)
		steps[random_below(worker, sizeof steps / sizeof steps[0])](common);
	worker->serial = common->serial;
	pthread_mutex_unlock(&common_lock);
}
