/* SPDX-License-Identifier: MIT */
/*
 * What the kernel refuses must change nothing. It tells whoever listens of an unmapping before it
 * is sure: a page behind it is sealed, or there are fewer addresses than are asked for.
 */
#include "storm.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_mseal
#define SYS_mseal 462
#endif
#define SEALS  32 /* of one worker; nothing ever unmaps them */
#define BEFORE 512

static size_t addresses_most; /* bytes */

void refused_init(void)
{
	struct rlimit limit;

	addresses_most = (2ul << 30) + ((size_t)options.mib << 22);
	if (getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur < addresses_most)
		return;
	limit.rlim_cur = addresses_most;
	if (setrlimit(RLIMIT_AS, &limit))
		addresses_most = 0;
}

/* A sealed page; what is mapped right before it can be unmapped, but not together with it. */
static bool seal_new(struct worker *worker)
{
	char *room;

	if (worker->seals == SEALS)
		return false;
	room = mmap(NULL, (BEFORE + 1) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (room == MAP_FAILED)
		storm_fail(worker, "mmap for a seal: %m");
	munmap(room, BEFORE * PAGE);
	worker->seal = room + BEFORE * PAGE;
	worker->seals++;
	if (!syscall(SYS_mseal, worker->seal, PAGE, 0))
		return true;
	munmap(worker->seal, PAGE);
	worker->seal = NULL;
	worker->seals = SEALS; /* Linux before 6.10 */
	return false;
}

/* The region that ends where the sealed page begins. */
static struct region *find_sealed(struct worker *worker)
{
	for (unsigned int r = 0; r < worker->region_count; r++) {
		struct region *region = &worker->regions[r];

		if (worker->seal && region->base + region->pages * PAGE == worker->seal)
			return region;
	}
	return NULL;
}

static struct region *map_sealed(struct worker *worker)
{
	size_t pages = 1 + random_below(worker, BEFORE);
	struct region *region;
	char *at;

	if (worker->mapped + pages > worker->most || worker->region_count == MAX_REGIONS ||
	    (!worker->seal && !seal_new(worker)))
		return NULL;
	at = worker->seal - pages * PAGE;
	if (mmap(at, pages * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != at) {
		if (errno != EEXIST)
			storm_fail(worker, "mmap before a seal: %m");
		worker->seal = NULL; /* somebody else has the place */
		return NULL;
	}
	storm_record(worker, "mmap before a seal", at, pages);
	region = region_add(worker, at, pages, 0);
	pages_write(worker, region, 0, pages);
	return region;
}

static void refuse(struct worker *worker, bool refused, const char *what)
{
	if (!refused)
		storm_fail(worker, "%s was not refused", what);
}

/* The kernel splits the mapping at the first page, and leaves it so. */
static size_t any_page(struct worker *worker, struct region *region)
{
	size_t page = random_below(worker, region->pages);

	region->single &= !page;
	return page;
}

static void over_seal(struct worker *worker)
{
	struct region *region = find_sealed(worker), *other;
	size_t first, bytes;
	char *at;

	if (!region) {
		map_sealed(worker);
		return;
	}
	first = any_page(worker, region);
	at = region->base + first * PAGE;
	bytes = (region->pages - first + 1) * PAGE;
	other = region_any(worker);
	storm_record(worker, "refused: over a seal", at, bytes / PAGE - 1);
	if (one_in(worker, 2))
		refuse(worker, munmap(at, bytes), "munmap of a sealed page");
	else if (one_in(worker, 2))
		refuse(worker,
		       mmap(at, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED,
		       "mmap over a sealed page");
	else if (other != region && other->single && other->pages * PAGE >= bytes)
		refuse(worker,
		       mremap(other->base, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, at) ==
			       MAP_FAILED,
		       "mremap to a sealed page");
	pages_check_some(worker, region, first, region->pages - first);
	pages_check_some(worker, other, 0, other->pages);
}

/* More than there may be: everything up there would go, also what others have. */
static void over_limit(struct worker *worker)
{
	struct region *region = region_any(worker);
	size_t first;
	char *at;

	if (!region || region->brk || !addresses_most)
		return;
	first = any_page(worker, region);
	at = region->base + first * PAGE;
	storm_record(worker, "refused: over the limit", at, region->pages - first);
	if (one_in(worker, 3))
		refuse(worker,
		       mremap(region->base, region->pages * PAGE, addresses_most + PAGE,
			      MREMAP_MAYMOVE) == MAP_FAILED,
		       "mremap beyond RLIMIT_AS");
	else
		refuse(worker,
		       mmap(at, addresses_most + PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
			    0) == MAP_FAILED,
		       "mmap beyond RLIMIT_AS");
	pages_check_some(worker, region, first, region->pages - first);
}

void op_refused(struct worker *worker)
{
	if (one_in(worker, 2))
		over_limit(worker);
	else
		over_seal(worker);
}
