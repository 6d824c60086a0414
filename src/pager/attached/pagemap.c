/* SPDX-License-Identifier: MIT */
#include "pager/attached/pagemap.h"

#include <fcntl.h>
#include <unistd.h>
#include "attach/maps.h"
#include "base/ask_process.h"
#include "pager/attached/state.h"

int pagemap_open(pid_t thread)
{
	return ask_open(thread, "pagemap", O_RDONLY);
}

void pagemap_keep(struct attached *attached, int pagemap)
{
	int none = -1;

	if (pagemap >= 0 && !atomic_compare_exchange_strong(&attached->task.pagemap, &none, pagemap))
		close(pagemap);
}

bool pagemap_is_proved(const struct attached *attached)
{
	return pagemap_of(attached) >= 0 || !attached->pager->evict.marks;
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
