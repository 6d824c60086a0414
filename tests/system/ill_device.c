/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into vswap: a device that is slow or fails. Reads of large files look into the folder
 * that ILL_DEVICE names: `always` there is for each read, `once` for the one that comes first. The
 * text is "delay MILLISECONDS" or "error ERRNO".
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LARGE (1 << 20)

typedef ssize_t (*pread_fn)(int descriptor, void *bytes, size_t length, off_t offset);

static bool is_a_device(int descriptor)
{
	struct stat status;

	return !strcmp(program_invocation_short_name, "vswap") && !fstat(descriptor, &status) &&
	       (S_ISBLK(status.st_mode) || (S_ISREG(status.st_mode) && status.st_size >= LARGE));
}

/* 0, or the errno of a read that fails. */
static int suffer(const char *folder, const char *name, bool take)
{
	char path[4096], taken[4128], text[64] = "", kind[16];
	int descriptor, value = 0;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	snprintf(taken, sizeof(taken), "%s.%d", path, gettid());
	if (take && rename(path, taken))
		return 0;
	descriptor = open(take ? taken : path, O_RDONLY | O_CLOEXEC);
	if (descriptor < 0)
		return 0;
	if (read(descriptor, text, sizeof(text) - 1) < 0 ||
	    sscanf(text, "%15s %d", kind, &value) != 2)
		value = 0;
	close(descriptor);
	if (value && !strcmp(kind, "error"))
		return value;
	usleep((useconds_t)value * 1000);
	return 0;
}

/* With 64-bit offsets this is the symbol pread64, which vswap calls. */
ssize_t pread(int descriptor, void *bytes, size_t length, off_t offset)
{
	static pread_fn next;
	const char *folder = getenv("ILL_DEVICE");
	int error = 0;

	if (!next)
		next = (pread_fn)dlsym(RTLD_NEXT, "pread64");
	if (folder && is_a_device(descriptor)) {
		error = suffer(folder, "once", true);
		if (!error)
			error = suffer(folder, "always", false);
	}
	if (error) {
		errno = error;
		return -1;
	}
	return next(descriptor, bytes, length, offset);
}
