/* SPDX-License-Identifier: MIT */
/* Description: read and write in all their forms; buffers and vectors have left. */
#include "calls.h"
#include <sys/uio.h>

#define PAGES 16

static void plain(void)
{
	char *at = area(PAGES);
	int fd = file_of(PAGES, 1);

	fill_and_leave(at, PAGES, 2);
	show(read(fd, at + 100, 3 * PAGE));
	show(pread(fd, at, PAGES * PAGE, 0));
	show_pages(at, PAGES, 1);
	fill_and_leave(at, PAGES, 3);
	show(write(fd, at + 10, 100));
	show(pwrite(fd, at, PAGES * PAGE, 0));
	leave(at, PAGES);
	show(pread(fd, at, PAGES * PAGE, 0));
	show_pages(at, PAGES, 3);
	close(fd);
}

static struct iovec *vector(char *at, size_t pieces)
{
	struct iovec *v = (struct iovec *)at;

	for (size_t i = 0; i < pieces; i++)
		v[i] = (struct iovec){at + (1 + i) * PAGE, PAGE};
	return v;
}

static void vectors(void)
{
	char *at = area(PAGES + 1);
	struct iovec *v = vector(at, PAGES);
	int fd = file_of(PAGES, 4);

	leave(at, PAGES + 1);
	show(readv(fd, v, PAGES));
	show_pages(at + PAGE, PAGES, 4);
	fill(at + PAGE, PAGES, 5);
	leave(at, PAGES + 1);
	show(pwritev2(fd, v, PAGES, 0, 0));
	leave(at, PAGES + 1);
	show(preadv2(fd, v, PAGES, 0, 0));
	show_pages(at + PAGE, PAGES, 5);
	leave(at, PAGES + 1);
	show(pwritev2(fd, v, PAGES, -1, RWF_APPEND));
	show(preadv(fd, v, PAGES, PAGES * PAGE / 2));
	close(fd);
}

static void direct(void)
{
	char *at = area(PAGES);
	int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC | O_DIRECT, 0600);

	if (fd < 0) {
		show(fd);
		return;
	}
	fill_and_leave(at, PAGES, 6);
	show(pwrite(fd, at, PAGES * PAGE, 0));
	fill_and_leave(at, PAGES, 7);
	show(pread(fd, at, PAGES * PAGE, 0));
	show_pages(at, PAGES, 6);
	close(fd);
}

/* Half of the buffer is mapped. */
static void over_the_edge(void)
{
	char *at = area(PAGES);
	int fd = file_of(PAGES, 8), ends[2];

	fill(at, PAGES, 9);
	munmap(at + 4 * PAGE, (PAGES - 4) * PAGE);
	expect(!pipe(ends), "pipe: %m");
	leave(at, 4);
	show(read(fd, at + 2 * PAGE, 8 * PAGE));
	leave(at, 4);
	show(write(ends[1], at + 3 * PAGE, 4 * PAGE));
	show(read(fd, at + 4 * PAGE, PAGE));
	show(write(ends[1], at + 4 * PAGE, PAGE));
	close(fd);
	close(ends[0]);
	close(ends[1]);
}

/* Read-only, and not to be read at all. */
static void protected(void)
{
	char *at = area(PAGES);
	int fd = file_of(PAGES, 10);

	fill_and_leave(at, PAGES, 11);
	expect(!mprotect(at, 4 * PAGE, PROT_READ), "mprotect: %m");
	expect(!mprotect(at + 4 * PAGE, 4 * PAGE, PROT_NONE), "mprotect: %m");
	show(pread(fd, at, PAGE, 0));
	show(pread(fd, at + 4 * PAGE, PAGE, 0));
	show(pwrite(fd, at, PAGE, 0));
	show(pwrite(fd, at + 4 * PAGE, PAGE, 0));
	expect(!mprotect(at, 8 * PAGE, PROT_READ | PROT_WRITE), "mprotect: %m");
	show_pages(at, PAGES, 11);
	close(fd);
}

static void memory_file(void)
{
	char *at = area(PAGES), *to = area(PAGES);
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	fill_and_leave(at, PAGES, 12);
	leave(to, PAGES);
	show(pread(fd, to, PAGES * PAGE, (off_t)(uintptr_t)at) == (ssize_t)(PAGES * PAGE));
	leave(at, PAGES);
	show(pwrite(fd, to, PAGES * PAGE, (off_t)(uintptr_t)at) == (ssize_t)(PAGES * PAGE));
	close(fd);
}

int main(void)
{
	hazard_start();
	plain();
	vectors();
	direct();
	over_the_edge();
	protected();
	memory_file();
	return 0;
}
