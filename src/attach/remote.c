/* SPDX-License-Identifier: MIT */
#include "attach/remote.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#define CHUNK 16384

int remote_read(pid_t tid, uint64_t address, void *bytes, size_t size)
{
	struct iovec to = {bytes, size};
	struct iovec from = {(void *)(uintptr_t)address, size};
	ssize_t got = process_vm_readv(tid, &to, 1, &from, 1, 0);

	if (got < 0)
		return -errno;
	return (size_t)got == size ? 0 : -EFAULT;
}

int remote_write(pid_t tid, uint64_t address, const void *bytes, size_t size)
{
	struct iovec from = {(void *)(uintptr_t)bytes, size};
	struct iovec to = {(void *)(uintptr_t)address, size};
	ssize_t wrote = process_vm_writev(tid, &from, 1, &to, 1, 0);

	if (wrote < 0)
		return -errno;
	return (size_t)wrote == size ? 0 : -EFAULT;
}

/* Looks for the instruction in [start, end); 0: it is not there. */
static uint64_t search(pid_t tid, uint64_t start, uint64_t end)
{
	static const uint8_t instruction[2] = {0x0f, 0x05};
	uint8_t code[CHUNK];

	/* Chunks overlap by a byte. */
	for (uint64_t at = start; at + sizeof(instruction) <= end; at += CHUNK - 1) {
		size_t bytes = end - at < CHUNK ? end - at : CHUNK;
		const uint8_t *found;

		if (remote_read(tid, at, code, bytes))
			return 0;
		found = memmem(code, bytes, instruction, sizeof(instruction));
		if (found)
			return at + (uint64_t)(found - code);
	}
	return 0;
}

/* In the mappings of code whose line in maps has `name`. */
static uint64_t search_code(pid_t tid, const char *name)
{
	unsigned long from, to;
	char path[48], line[256], access[8];
	uint64_t found = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)tid);
	file = fopen(path, "re");
	while (file && !found && fgets(line, sizeof(line), file)) {
		if (strstr(line, name) && sscanf(line, "%lx-%lx %7s", &from, &to, access) == 3 &&
		    access[0] == 'r' && access[2] == 'x')
			found = search(tid, from, to);
	}
	if (file)
		fclose(file);
	return found;
}

int remote_syscall(pid_t tid, uint64_t *address)
{
	*address = search_code(tid, "[vdso]");
	/* Taken away by valgrind, or by the kernel (vdso=0): then the C library's, or any. */
	if (!*address)
		*address = search_code(tid, " r-xp ");
	return *address ? 0 : -ENOEXEC;
}
