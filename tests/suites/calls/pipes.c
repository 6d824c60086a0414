/* SPDX-License-Identifier: MIT */
/* Description: splice, vmsplice, tee, sendfile, copy_file_range; what they point at has left. */
#include "calls.h"
#include <sys/sendfile.h>
#include <sys/uio.h>

#define PAGES 8

static int *pipe_at(char *at)
{
	int *ends = (int *)at;

	leave(at, 1);
	show(pipe2(ends, O_CLOEXEC));
	show(fcntl(ends[1], F_SETPIPE_SZ, 1 << 20));
	return ends;
}

static void pages_through(void)
{
	char *at = area(1 + PAGES), *to = area(PAGES);
	int *ends = pipe_at(at), *second = pipe_at(area(1));
	struct iovec *v = (struct iovec *)(at + 64);

	*v = (struct iovec){at + PAGE, PAGES * PAGE};
	fill(at + PAGE, PAGES, 1);
	leave(at, 1 + PAGES);
	show(vmsplice(ends[1], v, 1, 0));
	show(tee(ends[0], second[1], PAGES * PAGE, 0));
	leave(to, PAGES);
	show(read(ends[0], to, PAGES * PAGE));
	show_pages(to, PAGES, 1);
	fill(to, PAGES, 2);
	v->iov_base = to;
	leave(at, 1);
	leave(to, PAGES);
	show(vmsplice(second[0], v, 1, 0));
	show_pages(to, PAGES, 1);
}

static void files_through(void)
{
	char *at = area(1);
	off_t *from = (off_t *)(at + 128), *to = (off_t *)(at + 256);
	int in = file_of(PAGES, 3), out = file_of(PAGES, 4);
	int *ends = pipe_at(at);
	char *back = area(PAGES);

	*from = 0;
	leave(at, 1);
	show(splice(in, from, ends[1], NULL, PAGES * PAGE, 0));
	show(*from);
	*to = 0;
	leave(at, 1);
	show(splice(ends[0], NULL, out, to, PAGES * PAGE, 0));
	show(*to);
	leave(back, PAGES);
	show(pread(out, back, PAGES * PAGE, 0));
	show_pages(back, PAGES, 3);
	*from = PAGE;
	leave(at, 1);
	show(sendfile(ends[1], in, from, 2 * PAGE));
	show(*from);
	*from = *to = 0;
	leave(at, 1);
	show(copy_file_range(in, from, out, to, PAGES * PAGE, 0));
	show(*from + *to);
	close(in);
	close(out);
}

int main(void)
{
	hazard_start();
	pages_through();
	files_through();
	return 0;
}
