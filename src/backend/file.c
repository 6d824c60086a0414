/* SPDX-License-Identifier: MIT */
/*
 * The file backend: segments in a file or on a block device.
 *
 * Writes go through one io_uring that the submitting thread owns; where the kernel
 * or a sandbox gives none, the same interface writes with pwrite. Both bypass
 * the page cache (O_DIRECT) where the file system allows; elsewhere each write
 * is synchronous (RWF_DSYNC), since the RAM copy goes away once we have said
 * that the bytes are safe, and afterwards dropped from the page cache, which
 * would only hold the same bytes a second time.
 *
 * Known weakness: discards run on the submitting thread, a few at every poll.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include "backend/backend.h"
#include "backend/extents.h"
#include "backend/file_place.h"
#include "backend/file.h"
#include "backend/window.h"
#include "base/clock.h"
#include "base/message.h"

#define DEPTH		8
#define RETRIES		16
#define DEAD_AFTER	5	    /* writes in a row that fail */
#define FULL_SECONDS	5	    /* how long a full file system is believed to be full */
#define BOUNCE_BYTES	(72u << 10) /* 64 KiB at any alignment */
#define DISCARD_EXTENTS 8	    /* in one poll */

struct request {
	struct file_backend *file;
	uint64_t offset; /* in the file, of the bytes still to be written */
	const char *bytes;
	size_t left;
	unsigned int retries;
	int result;
	backend_done_fn done; /* NULL: the request is free */
	void *argument;
};

struct file_backend {
	struct backend backend;
	struct file_place place;
	struct extents extents;
	struct windows windows;
	bool has_ring;
	struct io_uring ring;
	struct request requests[DEPTH];
	struct request *finished[DEPTH]; /* without a ring: done, to be told by poll */
	unsigned int finished_count, in_flight;
	_Atomic uint64_t read_bytes, written_bytes, errors;
	atomic_uint errors_in_row;
	_Atomic int64_t full_until; /* seconds; 0: not full */
};

static struct file_backend *of(struct backend *backend)
{
	return (struct file_backend *)backend;
}

static bool is_full_error(int result)
{
	return result == -ENOSPC || result == -EDQUOT || result == -EFBIG;
}

/* ---- opening ---- */

static int file_open(const struct backend_spec *spec, struct backend **backend, char *message)
{
	struct file_backend *file = calloc(1, sizeof(*file));
	int error;

	*backend = NULL;
	if (!file)
		return explain(message, -ENOMEM, "no memory to open %s; free some and try again",
			       spec->path);
	error = file_place_open(spec, &file->place, message);
	if (error) {
		free(file);
		return error;
	}
	error = extents_open(&file->extents, file->place.bytes / BACKEND_EXTENT_BYTES);
	if (!error) {
		error = windows_open(&file->windows);
		if (error)
			extents_close(&file->extents);
	}
	if (error) {
		file_place_close(&file->place);
		free(file);
		return explain(message, error,
			       "no memory to keep track of %s; give a smaller size=", spec->path);
	}
	file->has_ring = io_uring_queue_init(DEPTH, &file->ring, 0) == 0;
	file->backend.operations = &file_operations;
	memcpy(file->backend.name, spec->name, sizeof(file->backend.name));
	file->backend.priority = spec->priority;
	*backend = &file->backend;
	return 0;
}

static void file_close(struct backend *backend)
{
	struct file_backend *file = of(backend);

	assert(file->in_flight == 0);
	if (file->has_ring)
		io_uring_queue_exit(&file->ring);
	windows_close(&file->windows);
	extents_close(&file->extents);
	file_place_close(&file->place);
	free(file);
}

/* ---- extents ---- */

static uint64_t file_allocate(struct backend *backend)
{
	struct file_backend *file = of(backend);
	uint64_t extent;

	if (atomic_load(&file->full_until) > (int64_t)(coarse_ns() / SECOND_NS))
		return BACKEND_NO_EXTENT;
	extent = extents_take(&file->extents);
	if (extent == EXTENTS_NONE)
		return BACKEND_NO_EXTENT;
	return file->place.start + extent * BACKEND_EXTENT_BYTES;
}

static uint64_t extent_index(const struct file_backend *file, uint64_t extent)
{
	return (extent - file->place.start) / BACKEND_EXTENT_BYTES;
}

static void file_release(struct backend *backend, uint64_t extent)
{
	struct file_backend *file = of(backend);

	extents_give(&file->extents, extent_index(file, extent));
}

static void discard_some(struct file_backend *file)
{
	uint64_t first, count;

	count = extents_discard_begin(&file->extents, DISCARD_EXTENTS, &first);
	if (!count)
		return;
	file_place_discard(&file->place, file->place.start + first * BACKEND_EXTENT_BYTES,
			   count * BACKEND_EXTENT_BYTES);
	extents_discard_end(&file->extents, first, count);
	/* There is room on the file system again. */
	atomic_store(&file->full_until, 0);
}

/* ---- writing ---- */

static void finish(struct request *request, int result)
{
	struct file_backend *file = request->file;
	backend_done_fn done = request->done;

	if (is_full_error(result)) {
		atomic_store(&file->full_until, (int64_t)(coarse_ns() / SECOND_NS) + FULL_SECONDS);
		result = -ENOSPC;
	} else if (result) {
		atomic_fetch_add(&file->errors, 1);
		atomic_fetch_add(&file->errors_in_row, 1);
	} else {
		atomic_fetch_add(&file->written_bytes, BACKEND_EXTENT_BYTES);
		atomic_store(&file->errors_in_row, 0);
		if (!file->place.direct)
			posix_fadvise(file->place.fd,
				      (off_t)(request->offset - BACKEND_EXTENT_BYTES),
				      BACKEND_EXTENT_BYTES, POSIX_FADV_DONTNEED);
	}
	request->done = NULL;
	file->in_flight--;
	done(request->argument, result);
}

/* Takes in what one write call returned. True: the request is at its end, with its result set. */
static bool advance(struct request *request, ssize_t written)
{
	if (written == -EINTR || written == -EAGAIN || written == -ECANCELED) {
		request->result = (int)written;
		return ++request->retries > RETRIES;
	}
	if (written < 0) {
		request->result = (int)written;
		return true;
	}
	/* O_DIRECT goes on at block boundaries only; what is written twice does no harm. */
	if ((size_t)written < request->left)
		written -= written % BACKEND_ALIGN;
	if (written == 0 && ++request->retries > RETRIES) {
		request->result = -EIO;
		return true;
	}
	request->offset += (uint64_t)written;
	request->bytes += written;
	request->left -= (size_t)written;
	request->result = 0;
	return request->left == 0;
}

static int write_flags(const struct file_backend *file)
{
	return file->place.direct ? 0 : RWF_DSYNC;
}

/* The queue has as many entries as there are requests, so one is always free. What the kernel
 * does not take now stays in the queue, and poll offers it again. */
static void submit(struct request *request)
{
	struct file_backend *file = request->file;
	struct io_uring_sqe *sqe = io_uring_get_sqe(&file->ring);

	assert(sqe);
	io_uring_prep_write(sqe, file->place.fd, request->bytes, (unsigned int)request->left,
			    request->offset);
	sqe->rw_flags = write_flags(file);
	io_uring_sqe_set_data(sqe, request);
	io_uring_submit(&file->ring);
}

static void write_at_once(struct request *request)
{
	struct file_backend *file = request->file;
	ssize_t written;

	do {
		struct iovec part = {(void *)request->bytes, request->left};

		written = pwritev2(file->place.fd, &part, 1, (off_t)request->offset,
				   write_flags(file));
	} while (!advance(request, written < 0 ? -errno : written));
	file->finished[file->finished_count++] = request;
}

static int file_write(struct backend *backend, uint64_t extent, const void *bytes,
		      backend_done_fn done, void *argument)
{
	struct file_backend *file = of(backend);
	struct request *request = file->requests;

	while (request < file->requests + DEPTH && request->done)
		request++;
	if (request == file->requests + DEPTH)
		return -EAGAIN;
	extents_set_stale(&file->extents, extent_index(file, extent));
	windows_forget(&file->windows, extent, extent + BACKEND_EXTENT_BYTES);
	*request =
		(struct request){file, extent, bytes, BACKEND_EXTENT_BYTES, 0, 0, done, argument};
	file->in_flight++;
	if (file->has_ring)
		submit(request);
	else
		write_at_once(request);
	return 0;
}

static int poll_ring(struct file_backend *file, int timeout_ms)
{
	struct __kernel_timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000000ll};
	struct io_uring_cqe *cqe;
	int count = 0, error = 0;

	if (io_uring_sq_ready(&file->ring))
		io_uring_submit(&file->ring);
	if (timeout_ms)
		error = io_uring_wait_cqe_timeout(&file->ring, &cqe, &timeout);
	while (io_uring_peek_cqe(&file->ring, &cqe) == 0) {
		struct request *request = io_uring_cqe_get_data(cqe);
		int written = cqe->res;

		io_uring_cqe_seen(&file->ring, cqe);
		if (!advance(request, written)) {
			submit(request);
			continue;
		}
		finish(request, request->result);
		count++;
	}
	if (count || error == -ETIME || error == -EINTR || error == -EAGAIN)
		return count;
	return error;
}

static int file_poll(struct backend *backend, int timeout_ms)
{
	struct file_backend *file = of(backend);
	int count = 0;

	if (file->has_ring) {
		if (file->in_flight)
			count = poll_ring(file, timeout_ms);
	} else {
		while (file->finished_count) {
			struct request *request = file->finished[--file->finished_count];

			finish(request, request->result);
			count++;
		}
	}
	discard_some(file);
	return count;
}

/* ---- reading ---- */

static int read_fully(struct file_backend *file, uint64_t offset, size_t length, char *bytes)
{
	while (length) {
		ssize_t got = pread(file->place.fd, bytes, length, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : -EIO;
		/* A direct read ends early only at the end of the file or on an error. */
		if (file->place.direct && got % BACKEND_ALIGN)
			return -EIO;
		offset += (uint64_t)got;
		bytes += got;
		length -= (size_t)got;
	}
	return 0;
}

/* Direct reads need alignment that objects do not have: by way of a buffer on the stack. */
static int read_bounced(struct file_backend *file, uint64_t offset, size_t length, char *bytes)
{
	char bounce[BOUNCE_BYTES] __attribute__((aligned(BACKEND_ALIGN)));

	while (length) {
		uint64_t from = offset / BACKEND_ALIGN * BACKEND_ALIGN;
		size_t skip = (size_t)(offset - from);
		size_t part = length < BOUNCE_BYTES - skip ? length : BOUNCE_BYTES - skip;
		size_t whole = (skip + part + BACKEND_ALIGN - 1) / BACKEND_ALIGN * BACKEND_ALIGN;
		int error = read_fully(file, from, whole, bounce);

		if (error)
			return error;
		memcpy(bytes, bounce + skip, part);
		offset += part;
		bytes += part;
		length -= part;
	}
	return 0;
}

/* Whatever the alignment. Only the part that needs it takes the way by the buffer. */
static int read_bytes(struct file_backend *file, uint64_t offset, size_t length, char *bytes)
{
	size_t direct = length;
	int error;

	if (file->place.direct)
		direct = (offset | (uintptr_t)bytes) % BACKEND_ALIGN
				 ? 0
				 : length / BACKEND_ALIGN * BACKEND_ALIGN;
	error = read_fully(file, offset, direct, bytes);
	if (!error && direct < length)
		error = read_bounced(file, offset + direct, length - direct, bytes + direct);
	/* A block that cannot be read says nothing about writing. */
	if (error)
		atomic_fetch_add(&file->errors, 1);
	else
		atomic_fetch_add(&file->read_bytes, length);
	return error;
}

/* A small read, and with luck the ones after it. */
static int read_small(struct file_backend *file, uint64_t offset, size_t length, char *bytes)
{
	uint64_t into = (offset - file->place.start) % BACKEND_EXTENT_BYTES;
	struct window *window;
	int error = -EIO;

	if (windows_read(&file->windows, offset, length, bytes))
		return 0;
	window =
		windows_begin(&file->windows, offset, length, offset - into + BACKEND_EXTENT_BYTES);
	if (window) {
		size_t whole = (size_t)(window->end - window->start);

		error = read_fully(file, window->start, whole, window->bytes);
		if (!error) {
			memcpy(bytes, window->bytes + (offset - window->start), length);
			atomic_fetch_add(&file->read_bytes, whole);
		}
		windows_filled(&file->windows, window, !error);
	}
	/* A bad block elsewhere in the window is no reason to lose this page. */
	return error ? read_bytes(file, offset, length, bytes) : 0;
}

static int file_read(struct backend *backend, uint64_t offset, size_t length, void *bytes)
{
	struct file_backend *file = of(backend);
	uint64_t end = file->place.start + file->place.bytes;

	if (offset < file->place.start || offset > end || length > end - offset)
		return -EINVAL;
	return length < WINDOW_BYTES / 4 ? read_small(file, offset, length, bytes)
					 : read_bytes(file, offset, length, bytes);
}

static bool file_at_hand(struct backend *backend, uint64_t offset, size_t length, void *bytes)
{
	return length < WINDOW_BYTES / 4 &&
	       windows_read(&of(backend)->windows, offset, length, bytes);
}

static void file_distrust(struct backend *backend, uint64_t offset, size_t length)
{
	windows_forget(&of(backend)->windows, offset, offset + length);
}

/* ---- watching ---- */

static enum backend_health file_health(struct backend *backend)
{
	unsigned int errors = atomic_load(&of(backend)->errors_in_row);

	if (errors >= DEAD_AFTER)
		return BACKEND_DEAD;
	return errors ? BACKEND_FAILING : BACKEND_OK;
}

static void file_statistics(struct backend *backend, struct backend_statistics *statistics)
{
	struct file_backend *file = of(backend);

	*statistics = (struct backend_statistics){
		.capacity_bytes = file->place.bytes,
		.used_bytes = extents_used(&file->extents) * BACKEND_EXTENT_BYTES,
		.read_bytes = atomic_load(&file->read_bytes),
		.written_bytes = atomic_load(&file->written_bytes),
		.errors = atomic_load(&file->errors),
	};
}

const struct backend_operations file_operations = {
	.kind = "file",
	.open = file_open,
	.close = file_close,
	.allocate = file_allocate,
	.release = file_release,
	.write = file_write,
	.poll = file_poll,
	.read = file_read,
	.at_hand = file_at_hand,
	.distrust = file_distrust,
	.health = file_health,
	.statistics = file_statistics,
};
