/* SPDX-License-Identifier: MIT */
#include "pager/attached/late_marks.h"

#include <errno.h>
#include "pager/attached/state.h"
#include "pager/attached/userfault.h"

void late_marks_note(struct attached *attached)
{
	struct late_marks *late = &attached->evict.late_marks;
	const struct batch *batch = &attached->batch;

	for (unsigned int i = 0; i < batch->count && late->count < LATE_MARKS; i++)
		if (batch->moved[i] && !batch->marked[i])
			late->address[late->count++] = batch->address[i];
}

/*
 * 0: it has one, or needs none; -EAGAIN: not now. The mark comes before its word says so, and no
 * fork in between: the kernel puts none while one is in flight, and its event takes the lock for
 * writing. Lock held for reading, the slot its own.
 */
static int put(struct attached *attached, uint64_t address)
{
	slot_t *slot = memory_look(attached->memory, address);
	desc_t word = slot ? atomic_load(slot) : DESC_ABSENT;
	int error;

	if (!desc_is_swapped(word) || word & DESC_MARKED ||
	    !region_find(&attached->regions, address))
		return 0;
	if (!slot_trylock(slot, word))
		return -EAGAIN;
	error = userfault_mark(attached->task.userfault, address, 1);
	slot_unlock(slot, error ? word : word | DESC_MARKED);
	return error == -EAGAIN ? error : 0;
}

void late_marks_put(struct attached *attached)
{
	struct late_marks *late = &attached->evict.late_marks;
	int error = 0;

	while (late->count && !error && !attached->task.dead) {
		uint64_t address = late->address[late->count - 1];

		if (userfault_is_changing(attached->task.userfault) ||
		    !attached_lock_private(attached, address))
			return;
		error = put(attached, address);
		unlock_read(&attached->lock);
		if (!error)
			late->count--;
	}
}
