/* SPDX-License-Identifier: MIT */
/*
 * io_uring: plain buffers anywhere, and a registered buffer that the kernel keeps
 * pinned for as long as the ring lives and writes to by its physical pages.
 */
#include "storm.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define FIXED_PAGES 16u

struct uring {
	struct io_uring ring;
	char *fixed; /* FIXED_PAGES pages */
	struct page_model model[FIXED_PAGES];
	uint64_t number;
	int file;
	bool usable;
};

static struct uring *uring_new(struct worker *worker)
{
	size_t bytes = (sizeof(struct uring) + PAGE - 1) & ~(PAGE - 1);
	struct uring *u =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec buffer;

	if (u == MAP_FAILED)
		storm_fail(worker, "mmap: %m");
	u->file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	u->fixed = mmap(NULL, FIXED_PAGES * PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (u->file < 0 || u->fixed == MAP_FAILED)
		storm_fail(worker, "a file or a buffer for io_uring: %m");
	/* Not everywhere allowed. */
	if (io_uring_queue_init(8, &u->ring, 0))
		return u;
	buffer = (struct iovec){u->fixed, FIXED_PAGES * PAGE};
	u->usable = io_uring_register_buffers(&u->ring, &buffer, 1) == 0;
	return u;
}

static int run_request(struct worker *worker, struct uring *u)
{
	struct io_uring_cqe *done;
	int error = io_uring_submit(&u->ring), result;

	if (error < 0)
		storm_fail(worker, "io_uring_submit: %s", strerror(-error));
	do {
		error = io_uring_wait_cqe(&u->ring, &done);
	} while (error == -EINTR);
	if (error)
		storm_fail(worker, "io_uring_wait_cqe: %s", strerror(-error));
	result = done->res;
	io_uring_cqe_seen(&u->ring, done);
	return result;
}

/* A busy kernel that gets no worker started in time cancels what waits for one, also without vswap:
 * then the request is made again. */
static void finish(struct worker *worker, struct uring *u, struct io_uring_sqe *entry, int expected,
		   const char *what)
{
	struct io_uring_sqe request = *entry;
	int result = run_request(worker, u);

	while (result == -ECANCELED) {
		*io_uring_get_sqe(&u->ring) = request;
		result = run_request(worker, u);
	}
	if (result != expected)
		storm_fail(worker, "io_uring %s gave %d, not %d", what, result, expected);
}

/* One page of the registered buffer is written by the processor or, through the file, by the
 * kernel; all of them are looked at. */
static void fixed_step(struct worker *worker, struct uring *u)
{
	unsigned int index = random_below(worker, FIXED_PAGES);
	char *page = u->fixed + index * PAGE;
	struct io_uring_sqe *entry;

	u->model[index].key = storm_mix(u->number++ ^ worker->random) << 16;
	if (one_in(worker, 2)) {
		page_fill(&u->model[index], page);
	} else {
		static __thread char bytes[PAGE];

		page_fill(&u->model[index], bytes);
		if (pwrite(u->file, bytes, PAGE, 0) != (ssize_t)PAGE)
			storm_fail(worker, "pwrite: %m");
		entry = io_uring_get_sqe(&u->ring);
		io_uring_prep_read_fixed(entry, u->file, page, PAGE, 0, 0);
		finish(worker, u, entry, PAGE, "READ_FIXED");
	}
	for (unsigned int i = 0; i < FIXED_PAGES; i++)
		if (!page_matches(&u->model[i], u->fixed + i * PAGE))
			page_mismatch(worker, &u->model[i], u->fixed + i * PAGE,
				      "registered with io_uring");
	entry = io_uring_get_sqe(&u->ring);
	io_uring_prep_write_fixed(entry, u->file, page, PAGE, PAGE, 0);
	finish(worker, u, entry, PAGE, "WRITE_FIXED");
	{
		static __thread char bytes[PAGE];

		if (pread(u->file, bytes, PAGE, PAGE) != (ssize_t)PAGE)
			storm_fail(worker, "pread: %m");
		if (!page_matches(&u->model[index], bytes))
			page_mismatch(worker, &u->model[index], bytes, "written by WRITE_FIXED");
	}
	atomic_fetch_add_explicit(&shared->pages, FIXED_PAGES, memory_order_relaxed);
}

static void plain_step(struct worker *worker, struct uring *u)
{
	size_t first, to_first, count, to_count;
	struct region *from = run_any(worker, 16, false, &first, &count);
	struct region *to = run_any(worker, 16, true, &to_first, &to_count);
	struct page_model moved[16];
	struct io_uring_sqe *entry;

	if (!from || !to)
		return;
	if (to_count < count)
		count = to_count;
	entry = io_uring_get_sqe(&u->ring);
	io_uring_prep_write(entry, u->file, from->base + first * PAGE, count * PAGE, 0);
	if (one_in(worker, 2))
		entry->flags |= IOSQE_ASYNC;
	finish(worker, u, entry, count * PAGE, "write");
	for (size_t i = 0; i < count; i++)
		moved[i] = from->model[first + i];
	for (size_t i = 0; i < count; i++) {
		to->model[to_first + i].key = moved[i].key;
		to->model[to_first + i].tail = moved[i].tail;
	}
	entry = io_uring_get_sqe(&u->ring);
	io_uring_prep_read(entry, u->file, to->base + to_first * PAGE, count * PAGE, 0);
	if (one_in(worker, 2))
		entry->flags |= IOSQE_ASYNC;
	finish(worker, u, entry, count * PAGE, "read");
	storm_record(worker, "io_uring read to here", to->base + to_first * PAGE, count);
	pages_check(worker, to, to_first, count);
}

void op_uring(struct worker *worker)
{
	if (worker == common)
		return;
	if (!worker->uring)
		worker->uring = uring_new(worker);
	if (!worker->uring->usable)
		return;
	if (one_in(worker, 2))
		fixed_step(worker, worker->uring);
	else
		plain_step(worker, worker->uring);
}

/* The ring stays the parent's; the child has a copy of the buffer, which must be right. */
void uring_child(struct worker *worker)
{
	struct uring *u = worker->uring;

	if (!u)
		return;
	for (unsigned int i = 0; i < FIXED_PAGES; i++)
		if (!page_matches(&u->model[i], u->fixed + i * PAGE))
			page_mismatch(worker, &u->model[i], u->fixed + i * PAGE,
				      "registered with io_uring, in the child");
	if (u->usable)
		close(u->ring.ring_fd);
	close(u->file);
	worker->uring = NULL;
}
