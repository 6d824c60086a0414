/* SPDX-License-Identifier: MIT */
#include "attach/remote.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#define VDSO_MOST (4096 * 4)

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

static int find_vdso(pid_t tid, uint64_t *start, uint64_t *bytes)
{
	unsigned long from, to;
	char path[48], line[256];
	int error = -ENOEXEC;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)tid);
	file = fopen(path, "re");
	if (!file)
		return -ESRCH;
	while (error && fgets(line, sizeof(line), file)) {
		if (!strstr(line, "[vdso]") || sscanf(line, "%lx-%lx", &from, &to) != 2)
			continue;
		*start = from;
		*bytes = to - from;
		error = 0;
	}
	fclose(file);
	return error;
}

int remote_syscall(pid_t tid, uint64_t *address)
{
	static const uint8_t instruction[2] = {0x0f, 0x05};
	uint8_t code[VDSO_MOST];
	const uint8_t *found;
	uint64_t start, bytes;
	int error = find_vdso(tid, &start, &bytes);

	if (!error && bytes > sizeof(code))
		bytes = sizeof(code);
	error = error ?: remote_read(tid, start, code, bytes);
	if (error)
		return error;
	found = memmem(code, bytes, instruction, sizeof(instruction));
	if (!found)
		return -ENOEXEC;
	*address = start + (uint64_t)(found - code);
	return 0;
}
