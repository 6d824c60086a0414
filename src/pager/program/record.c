/* SPDX-License-Identifier: MIT */
#include "pager/program/record.h"

#include <errno.h>
#include "pager/attached/state.h"
#include "pager/program/program.h"
#include "pager/program/register.h"

struct recording {
	struct attached *attached;
	int error;
};

/* A run of present pages: those without a descriptor become resident. */
static void record_run(void *argument, uint64_t start, uint64_t end)
{
	struct recording *recording = argument;
	struct memory *memory = recording->attached->memory;

	for (uint64_t at = start; at < end && !recording->error; at += PAGE_BYTES) {
		slot_t *slot = memory_look(memory, at);

		/* A cluster that a child shares, and that knows of the page, stays shared. */
		if (slot && desc_state(atomic_load(slot)) != DESC_ABSENT)
			continue;
		slot = memory_bind(memory, at);
		if (!slot)
			recording->error = -ENOMEM;
		else
			slot_change(slot, DESC_ABSENT, DESC_RESIDENT);
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

static int record_regions(struct attached *attached)
{
	struct recording recording = {.attached = attached};
	int error = 0;

	for (size_t i = 0; i < attached->regions.count && !error; i++)
		error = record_region(&recording, &attached->regions.items[i]);
	return error;
}

int record_all(struct attached *attached, struct maps *maps)
{
	int error = register_stopped(attached, maps);

	assert_writing(&attached->lock);
	return error ? error : record_regions(attached);
}

static int later_stop(struct target *target, void *argument)
{
	struct attached *attached = argument;
	int error;

	(void)target;
	lock_write(&attached->lock);
	batch_quiesce(attached);
	error = record_regions(attached);
	unlock_write(&attached->lock);
	return error;
}

int record_again(struct attached *attached)
{
	return attach_stop(&attached->target, STOP_PATIENCE_MS, later_stop, attached);
}
