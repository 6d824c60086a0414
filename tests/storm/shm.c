/* SPDX-License-Identifier: MIT */
/*
 * Shared memory in the place of private memory, and fresh memory in the place of that. shmat with
 * SHM_REMAP tells nobody.
 */
#include "storm.h"

#include <errno.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>

#define MOST_PAGES 256

/* What was at [at, at + pages) is in no region any more. */
static void attach(struct worker *worker, char *at, size_t pages)
{
	int id = shmget(IPC_PRIVATE, pages * PAGE, IPC_CREAT | 0600);
	char *got;

	if (id < 0)
		storm_fail(worker, "shmget: %m");
	got = shmat(id, at, SHM_REMAP);
	if (got != at)
		storm_fail(worker, "shmat at %p: %m", (void *)at);
	shmctl(id, IPC_RMID, NULL);
	storm_record(worker, "shmat", at, pages);
}

static void use(struct worker *worker, char *at, size_t pages)
{
	struct region shm = {.base = at, .pages = pages, .model = model_new(pages)};

	if (!shm.model)
		storm_fail(worker, "no memory for the model");
	pages_check(worker, &shm, 0, pages);
	pages_write(worker, &shm, 0, pages);
	for (uint64_t i = random_below(worker, 3); i; i--)
		op_common(worker); /* other memory */
	pages_check(worker, &shm, 0, pages);
	model_free(shm.model, pages);
}

/* False: another thread has taken the place. */
static bool replace(struct worker *worker, char *at, size_t pages)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;

	if (one_in(worker, 2)) {
		if (shmdt(at))
			storm_fail(worker, "shmdt: %m");
		flags |= MAP_FIXED_NOREPLACE;
	}
	if (mmap(at, pages * PAGE, PROT_READ | PROT_WRITE, flags, -1, 0) == at)
		return true;
	if (errno != EEXIST)
		storm_fail(worker, "mmap in the place of shared memory: %m");
	return false;
}

void op_shm(struct worker *worker)
{
	struct region *region = region_any(worker);
	size_t first, count;
	char *at;

	if (!region || region->brk || worker->region_count + 2 > MAX_REGIONS)
		return;
	count = 1 + random_below(worker, region->pages > MOST_PAGES ? MOST_PAGES : region->pages);
	first = random_below(worker, region->pages - count + 1);
	at = region->base + first * PAGE;
	if (!region_cut(worker, region, first, count))
		return;
	attach(worker, at, count);
	use(worker, at, count);
	if (!replace(worker, at, count))
		return;
	storm_record(worker, "mmap in the place of shared memory", at, count);
	region = region_add(worker, at, count, 0);
	pages_check_some(worker, region, 0, count);
	pages_write(worker, region, 0, count);
}
