/* SPDX-License-Identifier: MIT */
/* Description: calls about memory itself, on memory that has left: its contents stay what they
 * were. */
#include "calls.h"
#include <linux/mempolicy.h>
#include <sys/prctl.h>
#include <sys/uio.h>

#define PAGES 16

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif

static char *cold(uint64_t seed)
{
	char *at = area(PAGES);

	fill(at, PAGES, seed);
	leave(at, PAGES);
	return at;
}

static void advices(void)
{
	static const int keep[] = {
		MADV_NORMAL,	  MADV_RANDOM,	       MADV_SEQUENTIAL,	   MADV_WILLNEED,
		MADV_COLD,	  MADV_PAGEOUT,	       MADV_DONTFORK,	   MADV_DOFORK,
		MADV_WIPEONFORK,  MADV_KEEPONFORK,     MADV_HUGEPAGE,	   MADV_NOHUGEPAGE,
		MADV_DONTDUMP,	  MADV_DODUMP,	       MADV_POPULATE_READ, MADV_MERGEABLE,
		MADV_UNMERGEABLE, MADV_POPULATE_WRITE, MADV_REMOVE,	   MADV_HWPOISON + 900};

	size_t count = sizeof(keep) / sizeof(keep[0]);
	char *all = area(count * 2 * PAGES);

	for (size_t i = 0; i < count; i++)
		fill(all + i * 2 * PAGES * PAGE, PAGES, i);
	leave(all, count * 2 * PAGES);
	for (size_t i = 0; i < count; i++) {
		char *at = all + i * 2 * PAGES * PAGE;

		printf("advice %d\n", keep[i]);
		show(madvise(at, PAGES * PAGE, keep[i]));
		show_pages(at, PAGES, i);
	}
}

static void drops(void)
{
	char *at = cold(1);

	show(madvise(at, 4 * PAGE, MADV_DONTNEED));
	show_pages(at, PAGES, 1);
	at = cold(2);
	show(madvise(at, 4 * PAGE, MADV_DONTNEED_LOCKED));
	show_pages(at, PAGES, 2);
	at = cold(3);
	show(madvise(at, 4 * PAGE, 102)); /* MADV_GUARD_INSTALL */
	show(madvise(at, 4 * PAGE, 103));
	show_pages(at, PAGES, 3);
	at = cold(4);
	munmap(at + 4 * PAGE, PAGE);
	show(madvise(at, PAGES * PAGE, MADV_DONTNEED));
	check_zero(at, 4, "before the hole");
	show(madvise(at + 4 * PAGE, PAGE, MADV_WILLNEED));
}

static void of_itself(void)
{
	char *at = cold(1), *list = area(1);
	struct iovec *v = (struct iovec *)list;
	int fd = syscall(SYS_pidfd_open, getpid(), 0);

	*v = (struct iovec){at, PAGES * PAGE};
	leave(list, 1);
	show(syscall(SYS_process_madvise, fd, v, 1, MADV_COLD, 0));
	leave(list, 1);
	show(syscall(SYS_process_madvise, fd, v, 1, MADV_WILLNEED, 0));
	show_pages(at, PAGES, 1);
	close(fd);
}

/* Locked memory is in memory, at once and from then on. */
static void locks(void)
{
	char *at = cold(1);

	show(mlock(at, PAGES * PAGE));
	show(resident(at, PAGES));
	press();
	show(resident(at, PAGES));
	show(munlock(at, PAGES * PAGE));
	at = cold(2);
	show(mlock2(at, PAGES * PAGE, MLOCK_ONFAULT));
	show_pages(at, PAGES, 2);
	press();
	show(resident(at, PAGES));
	show(munlock(at, PAGES * PAGE));
	at = cold(3);
	show(mlockall(MCL_CURRENT));
	show(resident(at, PAGES));
	show(munlockall());
	show_pages(at, PAGES, 3);
}

static void states(void)
{
	char *at = cold(1), *vector = area(1), *file;
	int fd = file_of(PAGES, 2);

	leave(vector, 1);
	show(mincore(at, PAGES * PAGE, (unsigned char *)vector));
	file = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	memcpy(file, at, PAGES * PAGE);
	show(msync(file, PAGES * PAGE, MS_SYNC));
	show(msync(at, PAGES * PAGE, MS_ASYNC));
	show(msync(at, PAGES * PAGE, MS_INVALIDATE));
	show_pages(file, PAGES, 1);
	show(mprotect(at, PAGES * PAGE, PROT_NONE));
	show(mprotect(at, PAGES * PAGE, PROT_READ | PROT_WRITE));
	show_pages(at, PAGES, 1);
	close(fd);
}

static void keys(void)
{
	char *at = cold(1);
	int key = pkey_alloc(0, 0);

	if (key < 0)
		return;
	show(pkey_mprotect(at, PAGES * PAGE, PROT_READ | PROT_WRITE, key));
	leave(at, PAGES);
	show_pages(at, PAGES, 1);
	show(pkey_mprotect(at, PAGES * PAGE, PROT_READ | PROT_WRITE, 0));
	show(pkey_free(key));
}

static void moves(void)
{
	char *at = cold(1), *to = area(PAGES);

	at = mremap(at, PAGES * PAGE, 2 * PAGES * PAGE, MREMAP_MAYMOVE);
	show_pages(at, 2 * PAGES, 1);
	leave(at, PAGES);
	show(mremap(at, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	show_pages(to, PAGES, 1);
	leave(to, PAGES);
	at = mremap(to, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	show_pages(at, PAGES, 1);
	check_zero(to, PAGES, "what the pages left");
	leave(at, PAGES);
	show(mremap(at, 0, PAGES * PAGE, MREMAP_MAYMOVE) == MAP_FAILED);
	show_pages(at, PAGES, 1);
}

static void nodes(void)
{
	char *at = cold(1), *lists = area(1);
	unsigned long *nodes = (unsigned long *)lists;
	void **pages = (void **)(lists + 1024);
	int *status = (int *)(lists + 2048), *mode = (int *)(lists + 3000);

	nodes[0] = 1;
	leave(lists, 1);
	show(syscall(SYS_mbind, at, PAGES * PAGE, MPOL_BIND, nodes, 64, MPOL_MF_MOVE));
	show_pages(at, PAGES, 1);
	leave(lists, 1);
	show(syscall(SYS_get_mempolicy, mode, NULL, 0, at, MPOL_F_ADDR));
	show(*mode);
	leave(lists, 1);
	show(syscall(SYS_get_mempolicy, mode, nodes, 1024, NULL, MPOL_F_MEMS_ALLOWED));
	for (int i = 0; i < PAGES; i++)
		pages[i] = at + i * PAGE;
	leave(lists, 1);
	show(syscall(SYS_move_pages, 0, (long)PAGES, pages, NULL, status, MPOL_MF_MOVE));
	nodes[0] = nodes[1] = 1;
	leave(lists, 1);
	show(syscall(SYS_migrate_pages, 0, 64, nodes, nodes + 1));
	leave(lists, 1);
	show(syscall(SYS_set_mempolicy, MPOL_PREFERRED, nodes, 64));
	show(syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0));
	show_pages(at, PAGES, 1);
}

/* A mapping's name, the break, and what may not grow. */
static void others(void)
{
	char *at = cold(1), *name = area(1), *end = sbrk(0);

	strcpy(name, "name of a mapping");
	leave(name, 1);
	show(prctl(0x53564d41, 0, at, PAGES * PAGE, name)); /* PR_SET_VMA */
	show_pages(at, PAGES, 1);
	show(sbrk(64 * PAGE) == end);
	end = (char *)(((uintptr_t)end + PAGE - 1) & -PAGE);
	fill_and_leave(end, 32, 5);
	show_pages(end, 32, 5);
	leave(end, 32);
	show(sbrk(-(long)(48 * PAGE)) != (void *)-1);
	show(sbrk(48 * PAGE) != (void *)-1);
	check_zero(end + 20 * PAGE, 30, "the break that grew again");
}

int main(void)
{
	hazard_start();
	advices();
	drops();
	of_itself();
	locks();
	states();
	keys();
	moves();
	nodes();
	others();
	return 0;
}
