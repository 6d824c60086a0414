/* SPDX-License-Identifier: MIT */
#include "pager/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "pager/children.h"
#include "pager/evict.h"
#include "pager/futex.h"
#include "pager/register.h"
#include "pager/state.h"
#include "pager/userfault.h"

/* A program whose threads do not stop in this time is left running, ms. */
#define STOP_PATIENCE_MS 200

struct recording {
	struct attached *attached;
	int error;
	uint64_t pages;
};

/* A run of present pages: those without a descriptor become resident. */
static void record_run(void *argument, uint64_t start, uint64_t end)
{
	struct recording *recording = argument;
	struct memory *memory = recording->attached->memory;

	for (uint64_t at = start; at < end && !recording->error; at += PAGE_BYTES) {
		slot_t *slot = memory_bind(memory, at);

		if (!slot)
			recording->error = -ENOMEM;
		else if (slot_change(slot, DESC_ABSENT, DESC_RESIDENT))
			recording->pages++;
	}
}

static int record_region(struct recording *recording, struct region *region)
{
	struct attached *attached = recording->attached;
	int error = maps_present(attached->target.pagemap, region->start, region->end, record_run,
				 recording);

	if (!error)
		error = recording->error;
	if (!error)
		region->unrecorded = false;
	return error;
}

/* The first recording, with every thread stopped. */
static int first_stop(struct target *target, void *argument)
{
	struct attached *attached = argument;
	struct recording recording = {.attached = attached};
	struct pager *pager = attached->pager;
	int error;

	children_note_elders(pager);
	attached->userfault = target->userfault;
	attached->lock.word = &target->channel->lock;
	attached->lock.waiters = &target->channel->waiters;
	error = maps_read(target->agent_tid, &pager->maps);
	if (!error)
		error = maps_check_flags(target->agent_tid, &pager->maps, NULL, NULL);
	if (!error)
		error = register_stopped(attached, &pager->maps);
	for (size_t i = 0; i < attached->regions.count && !error; i++)
		error = record_region(&recording, &attached->regions.items[i]);
	attached->resident_pages = (int64_t)recording.pages;
	return error;
}

void program_stop_threads(struct pager *pager)
{
	if (!pager->threads_run)
		return;
	evictor_stop(pager);
	server_stop(pager);
	pager->threads_run = false;
}

static int start_threads(struct pager *pager)
{
	int error;

	/* There is one server: that of the children of a program that is gone ends first. */
	if (pager->server_alone)
		server_stop(pager);
	pager->server_alone = false;
	pager->stop = false;
	error = server_start(pager);
	if (error)
		return error;
	error = evictor_start(pager);
	if (error)
		server_stop(pager);
	else
		pager->threads_run = true;
	return error;
}

int program_attach(struct pager *pager, char message[PAGER_MESSAGE])
{
	struct attached *attached = attached_new(pager, -1);
	size_t bytes = (size_t)CHANNEL_BATCH << PAGE_SHIFT;
	void *buffer = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	int error;

	if (!attached || buffer == MAP_FAILED) {
		snprintf(message, PAGER_MESSAGE, "out of memory");
		return -ENOMEM;
	}
	attached->batch.bytes = buffer;
	attached->pid = pager->pid;
	error = attach_inject(pager->pid, &attached->target, first_stop, attached, message);
	if (error) {
		attached->userfault = -1;
		attached_free(attached);
		return error;
	}
	attached->has_agent = true;
	attached->pidfd = fcntl(attached->target.pidfd, F_DUPFD_CLOEXEC, 0);
	attached->keeper_handle = keeper_add(pager->keeper, pager->pid, attached->pidfd);
	pager->program = attached;
	pager->was_attached = true;
	server_add(pager, attached);
	budget_refresh(pager);
	error = start_threads(pager);
	if (error) {
		/* Nothing has left yet: closing the userfaultfd sets it free. */
		snprintf(message, PAGER_MESSAGE, "cannot start threads: %s", strerror(-error));
		attach_leave(&attached->target, message);
		program_forget(pager);
	}
	return error;
}

int program_register_new(struct pager *pager)
{
	struct attached *attached = pager->program;
	int error = maps_read(attached->target.agent_tid, &pager->maps);

	if (error)
		return error;
	lock_write(&attached->lock);
	error = register_running(attached, &pager->maps);
	unlock_write(&attached->lock);
	return error;
}

static int later_stop(struct target *target, void *argument)
{
	struct attached *attached = argument;
	struct recording recording = {.attached = attached};
	int error = 0;

	lock_write(&attached->lock);
	evict_quiesce(attached);
	for (size_t i = 0; i < attached->regions.count && !error; i++)
		error = record_region(&recording, &attached->regions.items[i]);
	unlock_write(&attached->lock);
	return error;
}

int program_record(struct pager *pager)
{
	atomic_fetch_add(&pager->counters.stops, 1);
	return attach_stop(&pager->program->target, STOP_PATIENCE_MS, later_stop, pager->program);
}

/* One run of a cluster; how many slots it went past. */
static unsigned int bring_back_run(struct pager *pager, struct attached *attached, uint64_t address,
				   unsigned int slots)
{
	unsigned int filled = 0, passed = 0;
	enum fault_result result = FAULT_DONE;
	const struct region *region;
	slot_t *slot;

	attached_lock_private(attached, address);
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
		unsigned int run = slots < RUN_PAGES ? slots : RUN_PAGES;

		run = room < run ? (unsigned int)room : run;
		result = fill_swapped(attached, pager->control_buffers, address, run, &filled);
		passed = filled;
	}
	unlock_read(&attached->lock);
	if (result != FAULT_DONE)
		usleep(100); /* an event, a batch or a fault first */
	else if (!passed)
		passed = 1; /* its mapping is gone: nothing to bring back */
	return passed;
}

static uint64_t swapped_pages(const struct memory *memory)
{
	uint64_t count[8];

	memory_count(memory, count);
	return count[DESC_ZERO] + count[DESC_SAME] + count[DESC_STORED] + count[DESC_SHARED] +
	       count[DESC_LEAVING];
}

int program_bring_back(struct pager *pager, pager_progress_fn progress, void *argument)
{
	struct attached *attached = pager->program;
	uint64_t total, left, at = 0, base;

	lock_write(&attached->lock);
	evict_quiesce(attached);
	total = swapped_pages(attached->memory);
	unlock_write(&attached->lock);
	for (;;) {
		uint32_t cluster;

		if (attached->dead)
			return -ESRCH;
		lock_read(&attached->lock);
		cluster = memory_next(attached->memory, at, &base);
		if (progress && (at >> 25) != (base >> 25)) {
			left = swapped_pages(attached->memory);
			unlock_read(&attached->lock);
			progress(argument, (total > left ? total - left : 0) << PAGE_SHIFT,
				 total << PAGE_SHIFT);
		} else {
			unlock_read(&attached->lock);
		}
		if (cluster == SPACE_NO_CLUSTER)
			break;
		if (base > at)
			at = base;
		at += (uint64_t)bring_back_run(pager, attached, at,
					       CLUSTER_SLOTS - (unsigned int)(at >> PAGE_SHIFT &
									      (CLUSTER_SLOTS - 1)))
		      << PAGE_SHIFT;
	}
	if (progress)
		progress(argument, total << PAGE_SHIFT, total << PAGE_SHIFT);
	return 0;
}

static void unregister_all(struct attached *attached)
{
	for (size_t i = 0; i < attached->regions.count; i++)
		userfault_unregister(attached->userfault, attached->regions.items[i].start,
				     attached->regions.items[i].end -
					     attached->regions.items[i].start);
}

/* Last look with every thread stopped: what is not back now would be lost. */
static int last_stop(struct target *target, void *argument)
{
	struct attached *attached = argument;
	int error = 0;

	lock_write(&attached->lock);
	if (swapped_pages(attached->memory))
		error = -EAGAIN;
	if (!error)
		unregister_all(attached);
	unlock_write(&attached->lock);
	return error;
}

int program_release(struct pager *pager, char message[PAGER_MESSAGE])
{
	struct attached *attached = pager->program;
	int error = -EAGAIN;

	for (int tries = 0; tries < 50 && error == -EAGAIN; tries++) {
		error = attach_stop(&attached->target, STOP_PATIENCE_MS, last_stop, attached);
		if (error == -EAGAIN)
			program_bring_back(pager, NULL, NULL);
		if (error == -ETIMEDOUT)
			error = -EAGAIN;
	}
	if (error) {
		snprintf(message, PAGER_MESSAGE, "cannot let go of process %d: %s", pager->pid,
			 strerror(-error));
		return error;
	}
	/* Nothing is registered any more; leaving takes the channel away, which they use. */
	program_stop_threads(pager);
	do {
		error = attach_leave(&attached->target, message);
	} while (error == -ETIMEDOUT);
	program_forget(pager);
	return error == -ESRCH ? 0 : error;
}

int program_abandon(struct pager *pager)
{
	struct attached *attached = pager->program;
	int error;

	do {
		error = program_bring_back(pager, NULL, NULL);
		lock_write(&attached->lock);
		if (!error && swapped_pages(attached->memory))
			error = -EAGAIN;
		if (!error)
			unregister_all(attached);
		unlock_write(&attached->lock);
	} while (error == -EAGAIN);
	program_forget(pager);
	return error;
}

void program_forget(struct pager *pager)
{
	struct attached *attached = pager->program;
	unsigned int kept = 0;

	if (!attached)
		return;
	attached->dead = true;
	program_stop_threads(pager);
	pager->program = NULL;
	for (unsigned int i = 0; i < pager->attached_count; i++)
		if (pager->attached[i] != attached)
			pager->attached[kept++] = pager->attached[i];
	pager->attached_count = kept;
	pager->attached_generation++;
	attach_forget(&attached->target);
	attached_free(attached);
	if (kept) {
		/* Its children still need their faults served. */
		pager->stop = false;
		if (!server_start(pager))
			pager->server_alone = true;
	}
}
