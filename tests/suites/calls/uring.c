/* SPDX-License-Identifier: MIT */
/* Description: io_uring and aio: registered and provided buffers, vectors, requests that have left.
 */
#include "calls.h"
#include <liburing.h>
#include <linux/aio_abi.h>
#include <sys/uio.h>

#define PAGES 8

static struct io_uring ring;

static int finish(struct io_uring_sqe *entry)
{
	struct io_uring_cqe *done;
	int result;

	(void)entry;
	expect(io_uring_submit(&ring) == 1, "io_uring_submit");
	while ((result = io_uring_wait_cqe(&ring, &done)) == -EINTR)
		;
	expect(!result, "io_uring_wait_cqe: %s", strerror(-result));
	result = done->res;
	io_uring_cqe_seen(&ring, done);
	return result;
}

static void buffers(void)
{
	char *at = area(1 + PAGES);
	struct iovec *v = (struct iovec *)at;
	struct io_uring_sqe *entry;
	int fd = file_of(PAGES, 1);

	for (int i = 0; i < PAGES; i++)
		v[i] = (struct iovec){at + (1 + i) * PAGE, PAGE};
	leave(at, 1 + PAGES);
	entry = io_uring_get_sqe(&ring);
	io_uring_prep_readv(entry, fd, v, PAGES, 0);
	show(finish(entry));
	show_pages(at + PAGE, PAGES, 1);
	fill(at + PAGE, PAGES, 2);
	leave(at, 1 + PAGES);
	entry = io_uring_get_sqe(&ring);
	io_uring_prep_write(entry, fd, at + PAGE, PAGES * PAGE, 0);
	entry->flags |= IOSQE_ASYNC;
	show(finish(entry));
	leave(at, 1 + PAGES);
	entry = io_uring_get_sqe(&ring);
	io_uring_prep_read(entry, fd, at + PAGE, PAGES * PAGE, 0);
	entry->flags |= IOSQE_ASYNC;
	show(finish(entry));
	show_pages(at + PAGE, PAGES, 2);
	close(fd);
}

/* Registered while swapped: the kernel pins them, and they must stay from then on. */
static void registered(void)
{
	char *at = area(1 + PAGES);
	struct iovec *v = (struct iovec *)at;
	struct io_uring_sqe *entry;
	int fd = file_of(PAGES, 3);

	fill(at + PAGE, PAGES, 4);
	*v = (struct iovec){at + PAGE, PAGES * PAGE};
	leave(at, 1 + PAGES);
	show(io_uring_register_buffers(&ring, v, 1));
	press();
	press();
	show_pages(at + PAGE, PAGES, 4);
	press();
	entry = io_uring_get_sqe(&ring);
	io_uring_prep_read_fixed(entry, fd, at + PAGE, PAGES * PAGE, 0, 0);
	show(finish(entry));
	show_pages(at + PAGE, PAGES, 3);
	fill(at + PAGE, PAGES, 5);
	press();
	press();
	entry = io_uring_get_sqe(&ring);
	io_uring_prep_write_fixed(entry, fd, at + PAGE, PAGES * PAGE, 0, 0);
	show(finish(entry));
	show(io_uring_unregister_buffers(&ring));
	leave(at, 1 + PAGES);
	show(pread(fd, at + PAGE, PAGES * PAGE, 0));
	show_pages(at + PAGE, PAGES, 5);
	close(fd);
}

static void provided(void)
{
	char *at = area(PAGES);
	struct io_uring_sqe *entry = io_uring_get_sqe(&ring);
	struct io_uring_cqe *done;
	int ends[2];

	expect(!pipe2(ends, O_CLOEXEC), "pipe: %m");
	io_uring_prep_provide_buffers(entry, at, PAGE, PAGES, 7, 0);
	show(finish(entry));
	fill(at, PAGES, 6);
	expect(write(ends[1], at, PAGE) == (ssize_t)PAGE, "write: %m");
	fill_and_leave(at, PAGES, 7);
	entry = io_uring_get_sqe(&ring);
	io_uring_prep_read(entry, ends[0], NULL, PAGE, 0);
	entry->flags |= IOSQE_BUFFER_SELECT;
	entry->buf_group = 7;
	expect(io_uring_submit(&ring) == 1, "io_uring_submit");
	while (io_uring_wait_cqe(&ring, &done) == -EINTR)
		;
	show(done->res);
	show(page_is(at + (done->flags >> IORING_CQE_BUFFER_SHIFT) * PAGE, 6, 0));
	io_uring_cqe_seen(&ring, done);
	close(ends[0]);
	close(ends[1]);
}

static void waits(void)
{
	char *at = area(1);
	struct __kernel_timespec *limit = (struct __kernel_timespec *)at;
	struct io_uring_sqe *entry = io_uring_get_sqe(&ring);

	*limit = (struct __kernel_timespec){.tv_nsec = 20000000};
	leave(at, 1);
	io_uring_prep_timeout(entry, limit, 0, 0);
	show(finish(entry));
}

/* The kernel reads the request, its vector and its buffer, and writes the event. */
static void old_aio(void)
{
	char *at = area(4 + PAGES);
	struct iocb *request = (struct iocb *)at, **list = (struct iocb **)(at + PAGE);
	struct io_event *event = (struct io_event *)(at + 2 * PAGE);
	aio_context_t *context = (aio_context_t *)(at + 3 * PAGE);
	int fd = file_of(PAGES, 8);

	leave(at, 4 + PAGES);
	show(syscall(SYS_io_setup, 4, context));
	*request = (struct iocb){.aio_lio_opcode = IOCB_CMD_PREAD,
				 .aio_fildes = fd,
				 .aio_buf = (uintptr_t)(at + 4 * PAGE),
				 .aio_nbytes = PAGES * PAGE};
	*list = request;
	leave(at, 4 + PAGES);
	show(syscall(SYS_io_submit, *context, 1L, list));
	leave(at + 2 * PAGE, 1);
	show(syscall(SYS_io_getevents, *context, 1L, 1L, event, NULL));
	show(event->res);
	show_pages(at + 4 * PAGE, PAGES, 8);
	show(syscall(SYS_io_destroy, *context));
	close(fd);
}

int main(void)
{
	hazard_start();
	old_aio();
	if (io_uring_queue_init(8, &ring, 0))
		return 0;
	buffers();
	registered();
	provided();
	waits();
	return 0;
}
