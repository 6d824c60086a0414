/* SPDX-License-Identifier: MIT */
#include "attach/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "base/futex.h"
#include "base/proc.h"

#define CHUNK	    16384
#define SLICE_NS    100000000u
#define STACK_BYTES (64u << 10)

enum { JOB_RUNS = 0, JOB_DONE = 1, JOB_GIVEN_UP = 2 };

/* One read or write. Owned by the thread that does it once it is given up. */
struct job {
	_Atomic uint32_t state; /* futex */
	pid_t tid;		/* 0: a file */
	int file;
	bool write;
	uint64_t address;
	ssize_t result;
	size_t size;
	char bytes[];
};

static _Atomic unsigned int stuck;
/* Which process was given up last, and when. */
static _Atomic pid_t blocked;
static _Atomic uint64_t blocked_ns;

static pid_t process_of(pid_t tid)
{
	char text[256];

	return proc_status_line(tid, "Tgid", text, sizeof(text)) ? atoi(text) : 0;
}

static ssize_t transfer(struct job *job)
{
	struct iovec here = {job->bytes, job->size};
	struct iovec there = {(void *)(uintptr_t)job->address, job->size};
	ssize_t got;

	if (!job->tid)
		got = pread(job->file, job->bytes, job->size, 0);
	else if (job->write)
		got = process_vm_writev(job->tid, &here, 1, &there, 1, 0);
	else
		got = process_vm_readv(job->tid, &here, 1, &there, 1, 0);
	return got < 0 ? -errno : got;
}

static void free_job(struct job *job)
{
	if (job->file >= 0)
		close(job->file);
	free(job);
}

static void *job_main(void *argument)
{
	struct job *job = argument;
	uint32_t running = JOB_RUNS;

	job->result = transfer(job);
	if (atomic_compare_exchange_strong(&job->state, &running, JOB_DONE)) {
		futex_wake(&job->state, 1);
	} else {
		stuck--;
		free_job(job);
	}
	return NULL;
}

/* True if it is done; else it is given up. */
static bool await(struct job *job)
{
	uint64_t until = monotonic_ns() + REMOTE_NS;
	uint32_t running = JOB_RUNS;

	while (job->state == JOB_RUNS && monotonic_ns() < until)
		futex_wait(&job->state, JOB_RUNS, SLICE_NS);
	stuck++;
	if (atomic_compare_exchange_strong(&job->state, &running, JOB_GIVEN_UP))
		return false;
	stuck--;
	return true;
}

/* The result, or why it was not tried or given up. `job` is used up when it is not waited for. */
static ssize_t run(struct job **taken)
{
	struct job *job = *taken;
	pid_t tid = job->tid;
	pthread_attr_t detached;
	pthread_t thread;
	int error;

	if (stuck >= REMOTE_STUCK)
		return -EAGAIN;
	if (tid && blocked && monotonic_ns() - blocked_ns < REMOTE_NS && process_of(tid) == blocked)
		return -ETIMEDOUT;
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&detached, STACK_BYTES);
	error = pthread_create(&thread, &detached, job_main, job);
	pthread_attr_destroy(&detached);
	if (error)
		return -error;
	if (await(job))
		return job->result;
	*taken = NULL;
	if (tid) {
		blocked = process_of(tid);
		blocked_ns = monotonic_ns();
	}
	return -ETIMEDOUT;
}

static struct job *new_job(size_t size)
{
	struct job *job = calloc(1, sizeof(*job) + size);

	if (job) {
		job->size = size;
		job->file = -1;
	}
	return job;
}

static int run_all(struct job *job, void *bytes)
{
	ssize_t got = run(&job);

	if (got >= 0 && bytes)
		memcpy(bytes, job->bytes, (size_t)got);
	if (job) {
		got = got == (ssize_t)job->size ? 0 : got < 0 ? got : -EFAULT;
		free_job(job);
	}
	return (int)got;
}

int remote_read(pid_t tid, uint64_t address, void *bytes, size_t size)
{
	struct job *job = new_job(size);

	if (!job)
		return -ENOMEM;
	job->tid = tid;
	job->address = address;
	return run_all(job, bytes);
}

int remote_write(pid_t tid, uint64_t address, const void *bytes, size_t size)
{
	struct job *job = new_job(size);

	if (!job)
		return -ENOMEM;
	job->tid = tid;
	job->address = address;
	job->write = true;
	memcpy(job->bytes, bytes, size);
	return run_all(job, NULL);
}

ssize_t remote_file(int file, void *bytes, size_t size)
{
	struct job *job = new_job(size);
	ssize_t got;

	if (!job)
		return -ENOMEM;
	job->file = fcntl(file, F_DUPFD_CLOEXEC, 0);
	got = job->file < 0 ? -errno : run(&job);
	if (got > 0)
		memcpy(bytes, job->bytes, (size_t)got);
	if (job)
		free_job(job);
	return got;
}

static _Thread_local struct remote_guard *own;

void remote_watched(struct remote_guard *guard)
{
	guard->tid = (pid_t)syscall(SYS_gettid);
	own = guard;
}

ssize_t remote_readv(pid_t tid, const struct iovec *to, const struct iovec *from,
		     unsigned int parts)
{
	uint32_t reads = own ? atomic_fetch_add(&own->reads, 1) + 1 : 0;
	ssize_t got = process_vm_readv(tid, to, parts, from, parts, 0);

	if (own && !remote_give_up(own, reads)) {
		free(own);
		pthread_exit(NULL);
	}
	return got;
}

bool remote_give_up(struct remote_guard *guard, uint32_t reads)
{
	return atomic_compare_exchange_strong(&guard->reads, &reads, reads + 1);
}

/* Looks for the instruction in [start, end): 0, -ENOEXEC when it is not there, or what reading
 * said. */
static int search(pid_t tid, uint64_t start, uint64_t end, uint64_t *address)
{
	static const uint8_t instruction[2] = {0x0f, 0x05};
	uint8_t code[CHUNK];

	/* Chunks overlap by a byte. */
	for (uint64_t at = start; at + sizeof(instruction) <= end; at += CHUNK - 1) {
		size_t bytes = end - at < CHUNK ? end - at : CHUNK;
		int error = remote_read(tid, at, code, bytes);
		const uint8_t *found;

		if (error)
			return error;
		found = memmem(code, bytes, instruction, sizeof(instruction));
		if (found) {
			*address = at + (uint64_t)(found - code);
			return 0;
		}
	}
	return -ENOEXEC;
}

/* In the mappings of code whose line in maps has `name`. */
static int search_code(pid_t tid, const char *name, uint64_t *address)
{
	unsigned long from, to;
	char path[48], line[256], access[8];
	int error = -ENOEXEC;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)tid);
	file = fopen(path, "re");
	while (file && error && fgets(line, sizeof(line), file)) {
		if (strstr(line, name) && sscanf(line, "%lx-%lx %7s", &from, &to, access) == 3 &&
		    access[0] == 'r' && access[2] == 'x')
			error = search(tid, from, to, address);
	}
	if (file)
		fclose(file);
	return error;
}

int remote_syscall(pid_t tid, uint64_t *address)
{
	/* Taken away by valgrind, or by the kernel (vdso=0): then the C library's, or any. */
	if (!search_code(tid, "[vdso]", address))
		return 0;
	return search_code(tid, " r-xp ", address);
}
