/* SPDX-License-Identifier: MIT */
/*
 * System calls that read and write pageable memory: whole pages go from one place to
 * another, in pieces that are not, and the model goes with them.
 */
#include "storm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* Where from and where to; `count` pages each. */
struct transfer {
	struct region *from, *to;
	size_t first, to_first, count;
	char *source, *destination;
};

static bool transfer_pick(struct worker *worker, size_t most, struct transfer *t)
{
	size_t count;

	t->from = run_any(worker, most, false, &t->first, &t->count);
	t->to = run_any(worker, most, true, &t->to_first, &count);
	if (!t->from || !t->to)
		return false;
	if (count < t->count)
		t->count = count;
	t->source = t->from->base + t->first * PAGE;
	t->destination = t->to->base + t->to_first * PAGE;
	/* Some of the kernel's copies go piece by piece: no overlap. */
	return t->destination >= t->source + t->count * PAGE ||
	       t->source >= t->destination + t->count * PAGE;
}

static void transfer_done(struct worker *worker, struct transfer *t, const char *how)
{
	storm_record(worker, how, t->source, t->count);
	storm_record(worker, how, t->destination, t->count);
	for (size_t i = 0; i < t->count; i++) {
		struct page_model *to = &t->to->model[t->to_first + i];

		to->key = t->from->model[t->first + i].key;
		to->tail = t->from->model[t->first + i].tail;
	}
	pages_check(worker, t->to, t->to_first, t->count);
}

/* Sends all through a pair of descriptors, never more at once than they surely hold. */
static void through(struct worker *worker, const struct transfer *t, int in, int out)
{
	size_t total = t->count * PAGE, sent = 0, got = 0;

	while (got < total) {
		size_t piece = 1 + random_below(worker, 7000);
		ssize_t n;

		if (piece > total - sent)
			piece = total - sent;
		for (size_t done = 0; done < piece; done += n) {
			n = write(in, t->source + sent + done, piece - done);
			if (n <= 0)
				storm_fail(worker, "write of %zu bytes at %p: %m", piece - done,
					   (void *)(t->source + sent + done));
		}
		sent += piece;
		while (got < sent) {
			n = read(out, t->destination + got, sent - got);
			if (n <= 0)
				storm_fail(worker, "read to %p: %m",
					   (void *)(t->destination + got));
			got += n;
		}
	}
}

void op_pipe(struct worker *worker)
{
	struct transfer t;
	int ends[2];

	if (!transfer_pick(worker, 16, &t))
		return;
	if (pipe2(ends, O_CLOEXEC))
		storm_fail(worker, "pipe: %m");
	through(worker, &t, ends[1], ends[0]);
	close(ends[0]);
	close(ends[1]);
	transfer_done(worker, &t, "pipe");
}

void op_socket(struct worker *worker)
{
	struct transfer t;
	int ends[2];

	if (!transfer_pick(worker, 16, &t))
		return;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		storm_fail(worker, "socketpair: %m");
	through(worker, &t, ends[1], ends[0]);
	close(ends[0]);
	close(ends[1]);
	transfer_done(worker, &t, "socketpair");
}

/* An unlinked file of FILE_PAGES pages, O_DIRECT where the file system can. */
static void file_open(struct worker *worker)
{
	const char *folders[] = {getenv("TMPDIR"), "/var/tmp", "/tmp", "."};

	for (unsigned int i = 0; i < 8 && worker->file < 0; i++) {
		const char *folder = folders[i % 4];

		worker->direct = i < 4;
		if (folder)
			worker->file = open(folder,
					    O_TMPFILE | O_RDWR | O_CLOEXEC |
						    (worker->direct ? O_DIRECT : 0),
					    0600);
	}
	if (worker->file < 0 || ftruncate(worker->file, FILE_PAGES * PAGE))
		storm_fail(worker, "a temporary file: %m");
}

void op_file(struct worker *worker)
{
	struct transfer t;
	size_t bytes;

	if (!transfer_pick(worker, FILE_PAGES, &t))
		return;
	if (worker->file < 0)
		file_open(worker);
	bytes = t.count * PAGE;
	if (pwrite(worker->file, t.source, bytes, 0) != (ssize_t)bytes)
		storm_fail(worker, "pwrite%s: %m", worker->direct ? " O_DIRECT" : "");
	op_check(worker);
	if (pread(worker->file, t.destination, bytes, 0) != (ssize_t)bytes)
		storm_fail(worker, "pread%s: %m", worker->direct ? " O_DIRECT" : "");
	transfer_done(worker, &t, worker->direct ? "O_DIRECT" : "file");
}

/* readv and writev with as many pieces, of odd sizes, as pages allow. */
void op_vector(struct worker *worker)
{
	struct iovec out[33], in[33];
	unsigned int pieces = 0;
	struct transfer t;
	int ends[2];

	if (!transfer_pick(worker, 16, &t))
		return;
	for (size_t at = 0; at < t.count * PAGE; pieces++) {
		size_t length = 1 + random_below(worker, 6000);

		if (pieces == 32 || length > t.count * PAGE - at)
			length = t.count * PAGE - at;
		out[pieces] = (struct iovec){t.source + at, length};
		in[pieces] = (struct iovec){t.destination + at, length};
		at += length;
	}
	if (pipe2(ends, O_CLOEXEC))
		storm_fail(worker, "pipe: %m");
	if (writev(ends[1], out, pieces) != (ssize_t)(t.count * PAGE))
		storm_fail(worker, "writev: %m");
	if (readv(ends[0], in, pieces) != (ssize_t)(t.count * PAGE))
		storm_fail(worker, "readv: %m");
	close(ends[0]);
	close(ends[1]);
	transfer_done(worker, &t, "readv, writev");
}

void op_vm_read(struct worker *worker)
{
	struct iovec to, from;
	struct transfer t;
	ssize_t n;

	if (!transfer_pick(worker, 64, &t))
		return;
	to = (struct iovec){t.destination, t.count * PAGE};
	from = (struct iovec){t.source, t.count * PAGE};
	if (one_in(worker, 2))
		n = process_vm_readv(getpid(), &to, 1, &from, 1, 0);
	else
		n = process_vm_writev(getpid(), &from, 1, &to, 1, 0);
	if (n != (ssize_t)(t.count * PAGE)) {
		if (n < 0 && (errno == EPERM || errno == ENOSYS))
			return;
		storm_fail(worker, "process_vm_readv: %zd of %zu bytes: %m", n, t.count * PAGE);
	}
	transfer_done(worker, &t, "process_vm_readv");
}

void op_random(struct worker *worker)
{
	size_t first, count;
	struct region *region = run_any(worker, 16, true, &first, &count);
	size_t bytes = count * PAGE, done = 0;

	if (!region)
		return;
	storm_record(worker, "getrandom", region->base + first * PAGE, count);
	while (done < bytes) {
		ssize_t n = getrandom(region->base + first * PAGE + done, bytes - done, 0);

		if (n < 0 && errno != EINTR)
			storm_fail(worker, "getrandom: %m");
		if (n > 0)
			done += n;
	}
	pages_write(worker, region, first, count);
}

/* What was written up to some byte, and behind it what was there before. */
static bool is_half_written(const struct page_model *before, const struct page_model *after,
			    const char *page)
{
	static __thread char old[PAGE], new[PAGE];
	size_t at = 0;

	page_fill(before, old);
	page_fill(after, new);
	while (at < PAGE && page[at] == new[at])
		at++;
	return !memcmp(page + at, old + at, PAGE - at);
}

/*
 * What waits in the pipe is what was there then or, when the page was written to
 * since, the new contents: another thread's fork may have made the two a copy. So does a page that
 * leaves, also in the middle of the write (docs/limits.md).
 */
static void splice_read(struct worker *worker)
{
	struct pending_splice *p = &worker->splice;
	static __thread char page[PAGE] __attribute__((aligned(4096)));

	for (unsigned int i = 0; i < p->count; i++) {
		for (size_t done = 0; done < PAGE;) {
			ssize_t n = read(p->pipe[0], page + done, PAGE - done);

			if (n <= 0)
				storm_fail(worker, "read of a spliced pipe: %m");
			done += n;
		}
		if (!page_matches(&p->before[i], page) && !page_matches(&p->after[i], page) &&
		    !is_half_written(&p->before[i], &p->after[i], page))
			page_mismatch(worker, &p->before[i], page, "from a pipe, after vmsplice");
		atomic_fetch_add_explicit(&shared->pages, 1, memory_order_relaxed);
	}
	close(p->pipe[0]);
	close(p->pipe[1]);
	p->used = false;
}

void op_splice(struct worker *worker)
{
	struct pending_splice *p = &worker->splice;
	size_t first, count, bytes;
	struct region *region;
	struct iovec pages;
	bool gift = one_in(worker, 2);

	if (p->used) {
		splice_read(worker);
		return;
	}
	region = run_any(worker, 16, true, &first, &count);
	if (!region)
		return;
	pages_write(worker, region, first, count);
	if (pipe2(p->pipe, O_CLOEXEC))
		storm_fail(worker, "pipe: %m");
	bytes = count * PAGE;
	pages = (struct iovec){region->base + first * PAGE, bytes};
	storm_record(worker, gift ? "vmsplice gift" : "vmsplice", pages.iov_base, count);
	if (vmsplice(p->pipe[1], &pages, 1, gift ? SPLICE_F_GIFT : 0) != (ssize_t)bytes)
		storm_fail(worker, "vmsplice: %m");
	p->used = true;
	p->count = count;
	memcpy(p->before, region->model + first, count * sizeof p->before[0]);
	if (gift || one_in(worker, 2)) {
		/* The pages leave the mapping; the pipe keeps them until some later step. */
		if (madvise(pages.iov_base, bytes, MADV_DONTNEED))
			storm_fail(worker, "madvise: %m");
		pages_forget(region, first, count);
		memcpy(p->after, p->before, count * sizeof p->after[0]);
		return;
	}
	op_check(worker);
	pages_write(worker, region, first, count);
	memcpy(p->after, region->model + first, count * sizeof p->after[0]);
	splice_read(worker);
}

void io_child(struct worker *worker)
{
	if (worker->splice.used) {
		close(worker->splice.pipe[0]);
		close(worker->splice.pipe[1]);
		worker->splice.used = false;
	}
	if (worker->file >= 0)
		close(worker->file);
	worker->file = -1;
}
