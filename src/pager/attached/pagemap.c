/* SPDX-License-Identifier: MIT */
#include "pager/attached/pagemap.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "attach/maps.h"
#include "pager/attached/holder.h"
#include "pager/attached/mapping.h"
#include "pager/attached/state.h"
#include "pager/attached/userfault.h"

int pagemap_open(pid_t thread)
{
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d/pagemap", thread);
	return open(path, O_RDONLY | O_CLOEXEC);
}

void pagemap_keep(struct attached *attached, int pagemap)
{
	int none = -1;

	if (!atomic_compare_exchange_strong(&attached->task.pagemap, &none, pagemap))
		close(pagemap);
}

static bool should_be_marked(const struct attached *attached, uint64_t address)
{
	const slot_t *slot = memory_look(attached->memory, address);
	desc_t word = slot ? atomic_load(slot) : DESC_ABSENT;

	return desc_is_swapped(word) && word & DESC_MARKED;
}

/* Another memory may look as if the page was dropped: only one that is ours gets our mark. */
static bool is_dropped(const struct attached *attached, int pagemap, uint64_t address)
{
	return !userfault_mark(attached->task.userfault, address, 1) &&
	       maps_marked(pagemap, address, 1) == 1;
}

/* The page is missing there, as it is here. Without marks not much more can be seen now. */
static bool may_be_ours(struct attached *attached, pid_t thread, int pagemap, uint64_t address)
{
	int marked = maps_marked(pagemap, address, 1);

	if (maps_empty(pagemap, address, 1) != 1)
		return false;
	if (marked < 0)
		return !attached->pager->evict.marks && maps_is_registered(thread, address);
	if (marked || !should_be_marked(attached, address))
		return true;
	if (!is_dropped(attached, pagemap, address))
		return false;
	mapping_empty(attached, address, address + PAGE_BYTES);
	return true;
}

static int try(struct attached *attached, pid_t thread, uint64_t address)
{
	int pagemap = thread > 0 ? pagemap_open(thread) : -1;

	if (pagemap < 0 || may_be_ours(attached, thread, pagemap, address))
		return pagemap;
	close(pagemap);
	return -1;
}

int pagemap_suspect(struct attached *attached, pid_t thread, uint64_t address)
{
	pid_t pid = attached->task.pid, holder;
	int suspect = -1;

	assert_writing(&attached->lock);
	if (pagemap_of(attached) >= 0 && (pid || attached->task.has_agent))
		return -1;
	holder = holder_of(thread);
	if (holder && !holder_is_known(attached->pager, holder, attached))
		suspect = try(attached, thread, address);
	if (suspect < 0)
		return try(attached, pid, address);
	if (!pid)
		holder_set(attached, holder);
	return suspect;
}

void pagemap_close(int suspect)
{
	if (suspect >= 0)
		close(suspect);
}

void pagemap_settle(struct attached *attached, int suspect, uint64_t address)
{
	if (suspect < 0)
		return;
	assert_reading(&attached->lock);
	if (maps_empty(suspect, address, 1) == 0)
		pagemap_keep(attached, suspect);
	else
		close(suspect);
}

unsigned int pagemap_count_empty(const struct attached *attached, uint64_t address,
				 unsigned int pages)
{
	int pagemap, empty;

	if (pages == 1)
		return 1;
	pagemap = pagemap_of(attached);
	empty = pagemap < 0 ? 1 : maps_empty(pagemap, address, pages);
	return empty > 1 ? (unsigned int)empty : 1;
}

bool pagemap_is_empty(const struct attached *attached, uint64_t address)
{
	int pagemap = pagemap_of(attached);

	return pagemap < 0 || maps_empty(pagemap, address, 1) != 0;
}
