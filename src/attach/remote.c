/* SPDX-License-Identifier: MIT */
#include "attach/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/ask.h"
#include "base/ask_process.h"

#define CHUNK 16384

static long read_memory(struct question *question)
{
	struct iovec here = {question->bytes, question->size};
	struct iovec there = {(void *)(uintptr_t)question->value, question->size};
	ssize_t got = process_vm_readv(question->pid, &here, 1, &there, 1, 0);

	return got < 0 ? -errno : got;
}

static long write_memory(struct question *question)
{
	struct iovec here = {question->bytes, question->size};
	struct iovec there = {(void *)(uintptr_t)question->value, question->size};
	ssize_t got = process_vm_writev(question->pid, &here, 1, &there, 1, 0);

	return got < 0 ? -errno : got;
}

static long read_file(struct question *question)
{
	ssize_t got = pread(question->file, question->bytes, question->size, 0);

	return got < 0 ? -errno : got;
}

static struct question *of_memory(pid_t tid, uint64_t address, size_t size,
				  long (*call)(struct question *question))
{
	struct question *question = ask_new(size);

	if (question) {
		question->about = ASK_MEMORY;
		question->call = call;
		question->pid = tid;
		question->value = address;
	}
	return question;
}

/* To have a part of it is a failure. */
static int all_of(long got, size_t size)
{
	return got == (long)size ? 0 : got < 0 ? (int)got : -EFAULT;
}

int remote_read(pid_t tid, uint64_t address, void *bytes, size_t size)
{
	struct question *question = of_memory(tid, address, size, read_memory);
	long got = question ? ask(&question, REMOTE_NS) : -ENOMEM;

	if (got > 0)
		memcpy(bytes, question->bytes, (size_t)got);
	ask_end(question);
	return all_of(got, size);
}

int remote_write(pid_t tid, uint64_t address, const void *bytes, size_t size)
{
	struct question *question = of_memory(tid, address, size, write_memory);
	long got = -ENOMEM;

	if (question) {
		memcpy(question->bytes, bytes, size);
		got = ask(&question, REMOTE_NS);
	}
	ask_end(question);
	return all_of(got, size);
}

ssize_t remote_file(int file, void *bytes, size_t size)
{
	struct question *question = of_memory(0, 0, size, read_file);
	long got = -ENOMEM;

	if (question) {
		question->file = fcntl(file, F_DUPFD_CLOEXEC, 0);
		got = question->file < 0 ? -errno : ask(&question, REMOTE_NS);
	}
	if (got > 0)
		memcpy(bytes, question->bytes, (size_t)got);
	ask_end(question);
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
	char line[256], access[8];
	int error = -ENOEXEC, maps = ask_open(tid, "maps", O_RDONLY);
	FILE *file;

	if (maps < 0)
		return maps;
	file = fdopen(maps, "r");
	if (!file)
		close(maps);
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
