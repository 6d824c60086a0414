/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "pager/evict.h"
#include "pager/state.h"

struct attached *attached_new(struct pager *pager, int userfault)
{
	struct attached *attached = calloc(1, sizeof(*attached));

	if (!attached)
		return NULL;
	attached->pager = pager;
	attached->space = pager->space;
	attached->userfault = userfault;
	attached->pidfd = attached->keeper_handle = -1;
	pthread_mutex_init(&attached->staging_lock, NULL);
	attached->lock = (struct memory_lock){
		.word = &attached->own_word,
		.waiters = &attached->own_waiters,
		.revoke = evict_revoke,
		.argument = attached,
	};
	if (memory_open(&attached->memory, pager->space)) {
		free(attached);
		return NULL;
	}
	return attached;
}

void attached_free(struct attached *attached)
{
	if (attached->keeper_handle >= 0)
		keeper_remove(attached->pager->keeper, attached->keeper_handle);
	if (attached->pidfd >= 0)
		close(attached->pidfd);
	if (!attached->has_agent && attached->userfault >= 0)
		close(attached->userfault);
	if (attached->batch.bytes)
		munmap(attached->batch.bytes, (size_t)CHANNEL_BATCH << PAGE_SHIFT);
	memory_close(attached->memory);
	region_free(&attached->regions);
	kept_pages_free(&attached->kept);
	free(attached);
}

void attached_lock_private(struct attached *attached, uint64_t address)
{
	lock_write(&attached->lock);
	if (memory_look(attached->memory, address) && memory_must_bind(attached->memory, address))
		memory_bind(attached->memory, address);
	lock_downgrade(&attached->lock);
}
