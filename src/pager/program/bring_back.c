/* SPDX-License-Identifier: MIT */
#include "pager/program/bring_back.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "pager/attached/proof.h"
#include "pager/attached/say.h"
#include "pager/attached/state.h"
#include "pager/changes/children.h"
#include "pager/changes/moved.h"
#include "pager/faults/fetch.h"
#include "pager/faults/starve.h"

/* A device that does not answer for so long does not answer. */
#define ANSWER_NS 5000000000ull
/* Pages that cannot be read are tried again after this, microseconds. */
#define AGAIN_US 200000
/* How long events may be in the way of knowing whose memory it is. */
#define SETTLE_NS 2000000000ull

/* Memory lock held for reading, given up here: the page needs its device. How many slots it went
 * past: one that cannot be read is counted. */
static unsigned int bring_back_one(struct attached *attached, uint64_t address, slot_t *slot,
				   struct bring_back *work)
{
	enum fault_result result =
		fetch_ask_once(attached, address, slot, atomic_load(slot), work->lose);
	int error = 0;

	unlock_read(&attached->lock);
	if (result == FAULT_FETCHED)
		error = fetch_wait(attached->pager, ANSWER_NS, &work->device);
	else
		usleep(100);
	if (error == -ETIMEDOUT)
		work->stuck = true;
	/* What was given up is gone past when its slot says so. */
	if (!error || work->stuck || work->lose || error == -EILSEQ)
		return 0;
	work->unreadable++;
	work->error = error;
	return 1;
}

/* One run, which begins in a cluster that has `slots` more; how many slots it went past. */
static unsigned int bring_back_run(struct attached *attached, uint64_t address, unsigned int slots,
				   struct bring_back *work)
{
	struct fill_buffers *buffers = attached->pager->job.buffers;
	unsigned int filled = 0, passed = 0;
	enum fault_result result = FAULT_DONE;
	const struct region *region;
	slot_t *slot;

	if (!attached_lock_private(attached, address))
		return slots;
	slot = memory_look(attached->memory, address);
	region = region_find(&attached->regions, address);
	while (slot && passed < slots &&
	       (desc_state(atomic_load(&slot[passed])) == DESC_RESIDENT ||
		desc_state(atomic_load(&slot[passed])) == DESC_ABSENT ||
		desc_state(atomic_load(&slot[passed])) == DESC_BAD))
		passed++;
	if (!slot)
		passed = slots;
	if (passed == 0 && region) {
		uint64_t room = (region->end - address) >> PAGE_SHIFT;
		unsigned int run = room < RUN_PAGES ? (unsigned int)room : RUN_PAGES;

		result = fill_swapped(attached, buffers, address, run, &filled);
		passed = filled;
	}
	starve_mark(attached, &work->changing_ns, result == FAULT_CHANGING);
	if (result == FAULT_DEVICE)
		return bring_back_one(attached, address, slot, work);
	unlock_read(&attached->lock);
	if (result != FAULT_DONE)
		usleep(100); /* an event, a batch or a fault first */
	else if (!passed)
		passed = 1; /* its mapping is gone: nothing to bring back */
	return passed;
}

/* Now and then: how far it is. */
static void tell(struct attached *attached, struct bring_back *work)
{
	uint64_t left;

	if (monotonic_ns() - work->told_ns < PAGER_MEANWHILE_NS)
		return;
	pager_meanwhile(attached->pager);
	if (work->progress) {
		lock_read(&attached->lock);
		left = attached_swapped_pages(attached);
		unlock_read(&attached->lock);
		work->progress(work->argument, left);
	}
	work->told_ns = monotonic_ns();
}

/* Once over all of it. */
static void bring_back_pass(struct attached *attached, struct bring_back *work)
{
	uint64_t at = 0, base;

	work->unreadable = 0;
	while (!attached->task.dead && !work->stuck) {
		uint32_t cluster;

		lock_read(&attached->lock);
		cluster = memory_next(attached->memory, at, &base);
		unlock_read(&attached->lock);
		tell(attached, work);
		if (cluster == SPACE_NO_CLUSTER)
			return;
		if (base > at)
			at = base;
		at += (uint64_t)bring_back_run(attached, at, cluster_rest(at), work) << PAGE_SHIFT;
	}
}

/* Nothing leaves any more. What waits in limbo cannot be brought back there: if nothing is in
 * flight it is nobody's. And a child that has touched nothing yet is looked at as at its first
 * fault: what it does not have, or is to have empty, is not its parent's. False: not now. */
static bool settle(struct attached *attached)
{
	bool known;

	attached->evict.paused = true;
	lock_write(&attached->lock);
	batch_quiesce(attached);
	known = proof_search(attached);
	children_settle(attached);
	moved_settle(attached);
	unlock_write(&attached->lock);
	return known;
}

static void settle_all(struct attached *attached)
{
	uint64_t until = monotonic_ns() + SETTLE_NS;

	while (!settle(attached) && !attached->task.dead && monotonic_ns() < until)
		usleep(1000);
}

int bring_back_pages(struct attached *attached, struct bring_back *work)
{
	uint64_t progress_ns = monotonic_ns(), least = UINT64_MAX;

	work->stuck = false;
	for (;;) {
		settle_all(attached);
		bring_back_pass(attached, work);
		starve_mark(attached, &work->changing_ns, false);
		if (attached->task.dead)
			return -ESRCH;
		if (work->stuck)
			return -ETIMEDOUT;
		if (!work->unreadable)
			return 0;
		if (work->unreadable < least) {
			least = work->unreadable;
			progress_ns = monotonic_ns();
		}
		if (work->hasty || monotonic_ns() - progress_ns > FETCH_PATIENCE_NS)
			return -EIO;
		tell(attached, work);
		usleep(AGAIN_US);
	}
}

void bring_back_explain(const struct attached *attached, const struct bring_back *work, int error,
			char message[MESSAGE_BYTES])
{
	if (error == -EIO)
		explain(message, 0,
			"process %d: %llu pages cannot be read from backend %s (%s), the others "
			"are "
			"back; it is served as before; mend the device and try again, or give "
			"these pages up: vswap detach --lose-unreadable",
			attached->task.pid, (unsigned long long)work->unreadable, work->device,
			strerror(-work->error));
	else
		explain(message, 0,
			"process %d: backend %s does not answer; it is served as before; look at "
			"the device (dmesg) and try again",
			attached->task.pid, work->device);
}
