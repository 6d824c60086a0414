/* SPDX-License-Identifier: MIT */
#include "pager/attached/userfault.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include "attach/probe.h"
#include "base/kernel.h"
#include "base/page.h"

static int call(int fd, unsigned long request, void *argument)
{
	return ioctl(fd, request, argument) < 0 ? -errno : 0;
}

/* The kernel reports a part that was done with -EAGAIN; only "nothing" is an error. */
static int pages_done(int result, int64_t bytes)
{
	if (bytes > 0)
		return (int)(bytes >> PAGE_SHIFT);
	return result ? result : -EAGAIN;
}

int userfault_register(int fd, uint64_t start, uint64_t bytes, bool marks)
{
	struct uffdio_register argument = {
		.range = {.start = start, .len = bytes},
		.mode = UFFDIO_REGISTER_MODE_MISSING | (marks ? UFFDIO_REGISTER_MODE_WP : 0),
	};

	return call(fd, UFFDIO_REGISTER, &argument);
}

int userfault_unregister(int fd, uint64_t start, uint64_t bytes)
{
	struct uffdio_range range = {.start = start, .len = bytes};

	return call(fd, UFFDIO_UNREGISTER, &range);
}

int userfault_copy(int fd, uint64_t to, const void *from, unsigned int pages, bool quiet)
{
	struct uffdio_copy argument = {
		.dst = to,
		.src = (uintptr_t)from,
		.len = (uint64_t)pages << PAGE_SHIFT,
		.mode = quiet ? UFFDIO_COPY_MODE_DONTWAKE : 0,
	};
	int result = call(fd, UFFDIO_COPY, &argument);

	return pages_done(result, argument.copy);
}

int userfault_zero(int fd, uint64_t to, unsigned int pages, bool quiet)
{
	struct uffdio_zeropage argument = {
		.range = {.start = to, .len = (uint64_t)pages << PAGE_SHIFT},
		.mode = quiet ? UFFDIO_ZEROPAGE_MODE_DONTWAKE : 0,
	};
	int result = call(fd, UFFDIO_ZEROPAGE, &argument);

	return pages_done(result, argument.zeropage);
}

int userfault_poison(int fd, uint64_t page)
{
	struct uffdio_poison argument = {.range = {.start = page, .len = 1u << PAGE_SHIFT}};

	return call(fd, UFFDIO_POISON, &argument);
}

int userfault_mark(int fd, uint64_t start, unsigned int pages)
{
	struct uffdio_writeprotect argument = {
		.range = {.start = start, .len = (uint64_t)pages << PAGE_SHIFT},
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};

	return call(fd, UFFDIO_WRITEPROTECT, &argument);
}

int userfault_unmark(int fd, uint64_t page)
{
	struct uffdio_writeprotect argument = {
		.range = {.start = page, .len = 1u << PAGE_SHIFT},
		.mode = UFFDIO_WRITEPROTECT_MODE_DONTWAKE,
	};

	return call(fd, UFFDIO_WRITEPROTECT, &argument);
}

int userfault_wake(int fd, uint64_t start, unsigned int pages)
{
	struct uffdio_range range = {.start = start, .len = (uint64_t)pages << PAGE_SHIFT};

	return call(fd, UFFDIO_WAKE, &range);
}

bool userfault_is_changing(int fd)
{
	return probe_memory(fd) == -EAGAIN;
}

bool userfault_is_gone(int fd)
{
	return probe_memory(fd) == -ESRCH;
}
