/* SPDX-License-Identifier: MIT */
#include "pager/program/record.h"

#include <errno.h>
#include <unistd.h>
#include "pager/attached/state.h"
#include "pager/attached/userfault.h"
#include "pager/changes/moved.h"
#include "pager/program/program.h"
#include "pager/program/register.h"

/* How often it is asked in vain whether no event is in flight before the program is stopped for it.
 */
#define CALM_TRIES    32u
#define CALM_PAUSE_US 200
/* So much is looked at in one go: some microseconds, in which no event may begin. */
#define CHUNK_BYTES (512ull * PAGE_BYTES)

struct recording {
	struct attached *attached;
	struct region_list present; /* runs that were seen in one go */
	uint64_t done;		    /* all below has been recorded */
	int error;
};

static void note_run(void *argument, uint64_t start, uint64_t end)
{
	struct recording *recording = argument;

	if (!recording->error)
		recording->error = region_add(&recording->present, start, end);
}

/* A run of present pages: those without a descriptor become resident. */
static int record_run(struct memory *memory, uint64_t start, uint64_t end)
{
	for (uint64_t at = start; at < end; at += PAGE_BYTES) {
		slot_t *slot = memory_look(memory, at);

		/* A cluster that a child shares, and that knows of the page, stays shared. */
		if (slot && desc_state(atomic_load(slot)) != DESC_ABSENT)
			continue;
		slot = memory_bind(memory, at);
		if (!slot)
			return -ENOMEM;
		slot_change(slot, DESC_ABSENT, DESC_RESIDENT);
	}
	return 0;
}

/*
 * What was seen counts only if no event is in flight afterwards: else it may have been of something
 * that is about to move there, or has moved away. -EAGAIN then.
 */
static int record_chunk(struct recording *recording, uint64_t start, uint64_t end)
{
	struct attached *attached = recording->attached;
	int error;

	recording->present.count = 0;
	error = maps_present(attached->target.pagemap, start, end, note_run, recording);
	if (!error)
		error = recording->error;
	if (!error && userfault_is_changing(attached->task.userfault))
		error = -EAGAIN;
	for (size_t i = 0; i < recording->present.count && !error; i++)
		error = record_run(attached->memory, recording->present.items[i].start,
				   recording->present.items[i].end);
	if (!error)
		recording->done = end;
	return error;
}

static int record_region(struct recording *recording, const struct region *region)
{
	int error = 0;

	while (recording->done < region->end && !error) {
		uint64_t start = recording->done > region->start ? recording->done : region->start;
		uint64_t end =
			start + CHUNK_BYTES < region->end ? start + CHUNK_BYTES : region->end;

		error = record_chunk(recording, start, end);
	}
	return error;
}

/* Goes on where it was interrupted (-EAGAIN). */
static int record_regions(struct recording *recording)
{
	const struct region_list *regions = &recording->attached->regions;
	int error = 0;

	for (size_t i = 0; i < regions->count && !error; i++)
		error = record_region(recording, &regions->items[i]);
	return error;
}

int record_all(struct attached *attached, struct maps *maps)
{
	struct recording recording = {.attached = attached};
	int error = register_stopped(attached, maps);

	assert_writing(&attached->lock);
	if (!error)
		error = record_regions(&recording);
	region_free(&recording.present);
	/* Another process that shares the memory changes it: the rest is recorded later. */
	return error == -EAGAIN ? 0 : error;
}

/* -EAGAIN: something is in flight all the time. */
static int record_when_calm(struct attached *attached)
{
	struct recording recording = {.attached = attached};
	int error = -EAGAIN;

	for (unsigned int tries = 0; tries < CALM_TRIES && error == -EAGAIN; tries++) {
		uint64_t done = recording.done;

		if (tries)
			usleep(CALM_PAUSE_US);
		lock_write(&attached->lock);
		if (moved_is_calm(attached))
			batch_quiesce(attached);
		/* Ending a batch may have taken its time. */
		if (moved_is_calm(attached))
			error = record_regions(&recording);
		unlock_write(&attached->lock);
		if (recording.done > done)
			tries = 0;
	}
	region_free(&recording.present);
	return error;
}

static int stopped(struct target *target, void *argument)
{
	(void)target;
	return record_when_calm(argument);
}

int record_again(struct attached *attached)
{
	int error = record_when_calm(attached);

	if (error == -EAGAIN)
		error = attach_stop(&attached->target, STOP_PATIENCE_MS, stopped, attached);
	return error;
}
