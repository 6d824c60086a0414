// SPDX-License-Identifier: MIT
#include "space/map.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

void *map_sparse(size_t bytes)
{
	void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (map == MAP_FAILED)
		return NULL;
	/* A huge page would make 2 MiB resident for one touched word. */
	madvise(map, bytes, MADV_NOHUGEPAGE);
	/* The keepers (attach/keeper.h) are copies of us and need nothing of it. */
	madvise(map, bytes, MADV_DONTFORK);
	return map;
}

void map_remove(void *address, size_t bytes)
{
	if (address)
		munmap(address, bytes);
}

void map_give_back(void *address, size_t bytes)
{
	int saved = errno;

	if (madvise(address, bytes, MADV_DONTNEED_LOCKED) && madvise(address, bytes, MADV_DONTNEED))
		/* Callers rely on zeros, whatever the kernel can do for the memory. */
		memset(address, 0, bytes);
	errno = saved;
}

bool map_populate(void *address, size_t bytes)
{
	if (!madvise(address, bytes, MADV_POPULATE_WRITE))
		return true;
	if (errno == ENOMEM || errno == EFAULT)
		return false;
	memset(address, 0, bytes);
	return true;
}
