/* SPDX-License-Identifier: MIT */
/*
 * The program's own userfaultfd, for a moment: pages of a region are moved (UFFDIO_MOVE) into fresh
 * memory. A pager may refuse any of it, and must then have changed nothing.
 */
#include "storm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef UFFD_FEATURE_MOVE

/* -1: not here. */
static int userfault_open(void)
{
	struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_MOVE};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);

	if (fd < 0 || !ioctl(fd, UFFDIO_API, &api))
		return fd;
	close(fd);
	return -1;
}

/* How many pages went. */
static size_t move(int fd, const char *to, const char *from, size_t pages)
{
	size_t done = 0;

	while (done < pages) {
		struct uffdio_move range = {
			.dst = (uintptr_t)to + done * PAGE,
			.src = (uintptr_t)from + done * PAGE,
			.len = (pages - done) * PAGE,
		};

		if (!ioctl(fd, UFFDIO_MOVE, &range))
			return pages;
		if (range.move > 0)
			done += range.move / PAGE;
		else if (errno == EEXIST)
			done++; /* nobody but this call has put it there */
		else if (errno != EAGAIN)
			break;
	}
	return done;
}

static void move_run(struct worker *worker, int fd)
{
	struct uffdio_register range = {.mode = UFFDIO_REGISTER_MODE_MISSING};
	size_t first, count, moved = 0;
	struct region *from = run_any(worker, 64, true, &first, &count), *to;
	unsigned int index;
	char *at;

	if (!from || worker->region_count == MAX_REGIONS || worker->mapped + count > worker->most)
		return;
	index = from - worker->regions;
	at = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		storm_fail(worker, "mmap for pages that move: %m");
	range.range.start = (uintptr_t)at;
	range.range.len = count * PAGE;
	storm_record(worker, "UFFDIO_MOVE from here", from->base + first * PAGE, count);
	if (!ioctl(fd, UFFDIO_REGISTER, &range)) {
		moved = move(fd, at, from->base + first * PAGE, count);
		if (ioctl(fd, UFFDIO_UNREGISTER, &range.range))
			storm_fail(worker, "UFFDIO_UNREGISTER: %m");
	}
	storm_record(worker, "UFFDIO_MOVE to here", at, count);
	to = region_add(worker, at, count, 0);
	from = &worker->regions[index];
	for (size_t i = 0; i < moved; i++) {
		to->model[i].key = from->model[first + i].key;
		to->model[i].tail = from->model[first + i].tail;
	}
	pages_forget(from, first, moved);
	pages_check(worker, to, 0, count);
	pages_check(worker, from, first, count);
}

void op_userfault(struct worker *worker)
{
	int fd = userfault_open();

	if (fd < 0)
		return;
	move_run(worker, fd);
	close(fd);
}

#else

void op_userfault(struct worker *worker)
{
	(void)worker;
}

#endif
