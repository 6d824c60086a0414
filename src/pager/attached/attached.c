/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/array.h"
#include "pager/attached/doomed.h"
#include "pager/attached/kick.h"
#include "pager/attached/say.h"
#include "pager/attached/state.h"
#include "pager/attached/userfault.h"

struct attached *attached_new(struct pager *pager, int userfault)
{
	struct attached *attached = calloc(1, sizeof(*attached));

	if (!attached)
		return NULL;
	attached->pager = pager;
	attached->task.id = atomic_fetch_add(&pager->listing.ids, 1);
	attached->space = pager->space;
	attached->task.userfault = userfault;
	attached->task.pidfd = attached->target.userfault = -1;
	attached->task.pagemap = -1;
	attached->target.leash[0] = attached->target.leash[1] = -1;
	pthread_mutex_init(&attached->evict.staging_lock, NULL);
	attached->lock = (struct memory_lock){
		.revoke = batch_revoke,
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
	if (attached->task.has_agent)
		attach_forget(&attached->target);
	if (attached->task.pidfd >= 0)
		close(attached->task.pidfd);
	if (attached->task.pagemap >= 0)
		close(attached->task.pagemap);
	if (attached->task.userfault >= 0 && attached->task.owed &&
	    !userfault_is_gone(attached->task.userfault))
		doomed_add(attached->pager, attached->task.userfault);
	else if (attached->task.userfault >= 0)
		close(attached->task.userfault);
	memory_close(attached->memory);
	region_free(&attached->regions);
	limbo_free(&attached->changes.limbo);
	kept_pages_free(&attached->evict.kept);
	free(attached);
}

int attached_list(struct attached *attached)
{
	struct pager *pager = attached->pager;
	int error;

	pthread_mutex_lock(&pager->listing.lock);
	error = array_grow((void **)&pager->listing.items, &pager->listing.capacity,
			   pager->listing.count + 1, sizeof(struct attached *));
	if (!error) {
		pager->listing.items[pager->listing.count++] = attached;
		pager->listing.generation++;
	}
	pthread_mutex_unlock(&pager->listing.lock);
	servers_kick(pager);
	return error;
}

static void leave_list(struct attached *attached)
{
	struct pager *pager = attached->pager;
	size_t kept = 0;

	pthread_mutex_lock(&pager->listing.lock);
	for (size_t i = 0; i < pager->listing.count; i++)
		if (pager->listing.items[i] != attached)
			pager->listing.items[kept++] = pager->listing.items[i];
	pager->listing.count = kept;
	pager->listing.generation++;
	pthread_mutex_unlock(&pager->listing.lock);
}

struct attached *attached_at(struct pager *pager, size_t i)
{
	struct attached *attached;

	pthread_mutex_lock(&pager->listing.lock);
	attached = i < pager->listing.count ? pager->listing.items[i] : NULL;
	pthread_mutex_unlock(&pager->listing.lock);
	return attached;
}

struct attached *attached_find(struct pager *pager, uint64_t id)
{
	struct attached *found = NULL;

	pthread_mutex_lock(&pager->listing.lock);
	for (size_t i = 0; i < pager->listing.count && !found; i++)
		if (pager->listing.items[i]->task.id == id)
			found = pager->listing.items[i];
	pthread_mutex_unlock(&pager->listing.lock);
	return found;
}

void attached_barrier(struct attached *attached)
{
	struct pager *pager = attached->pager;

	pthread_mutex_lock(&pager->listing.lock);
	while (pager->listing.evicting == attached)
		pthread_cond_wait(&pager->listing.evicting_changed, &pager->listing.lock);
	pthread_mutex_unlock(&pager->listing.lock);
	/* Every server that uses it now is done once this is ours. */
	pthread_rwlock_wrlock(&pager->listing.serving);
	pthread_rwlock_unlock(&pager->listing.serving);
}

void attached_unlist(struct attached *attached)
{
	leave_list(attached);
	servers_forget(attached);
	attached_barrier(attached);
	attached_set_pages(attached, 0);
	if (attached->watch.process)
		attached->watch.process->attached = NULL;
}

void attached_bury(struct attached *attached)
{
	attached->task.dead = true;
	attached_unlist(attached);
	attached_free(attached);
}

size_t attached_count_unknown(struct pager *pager)
{
	size_t count = 0;

	pthread_mutex_lock(&pager->listing.lock);
	for (size_t i = 0; i < pager->listing.count; i++)
		count += pager->listing.items[i]->task.pid == 0;
	pthread_mutex_unlock(&pager->listing.lock);
	return count;
}

bool attached_own_slot(struct attached *attached, uint64_t address)
{
	assert_writing(&attached->lock);
	if (!memory_must_bind(attached->memory, address) || memory_bind(attached->memory, address))
		return true;
	pager_lose(attached);
	return false;
}

bool attached_lock_private(struct attached *attached, uint64_t address)
{
	lock_write(&attached->lock);
	if (memory_look(attached->memory, address) && !attached_own_slot(attached, address)) {
		unlock_write(&attached->lock);
		return false;
	}
	lock_downgrade(&attached->lock);
	return true;
}

void attached_count_pages(struct attached *attached, int64_t pages)
{
	atomic_fetch_add(&attached->count.resident_pages, pages);
	atomic_fetch_add(&attached->pager->budget.resident_pages, pages);
	group_count_pages(attached->group, pages);
}

void attached_set_pages(struct attached *attached, int64_t pages)
{
	int64_t before = atomic_exchange(&attached->count.resident_pages, pages);

	atomic_fetch_add(&attached->pager->budget.resident_pages, pages - before);
	group_count_pages(attached->group, pages - before);
}

uint64_t attached_swapped_pages(struct attached *attached)
{
	const struct memory *memory = attached->memory;
	uint64_t count[8];

	assert_reading(&attached->lock);
	memory_count(memory, count);
	return count[DESC_ZERO] + count[DESC_SAME] + count[DESC_STORED] + count[DESC_SHARED] +
	       count[DESC_LEAVING];
}
