/* SPDX-License-Identifier: MIT */
/*
 * Opens what a file backend's path names.
 *
 *   folder            an unnamed file in it (O_TMPFILE, else made and unlinked)
 *   nothing there     made with mode 0600 and unlinked at once
 *   empty file        used, and empty again in the end; refused unless it is ours alone: by
 *                     owner, mode and links, and by its own name
 *   other file        refused: it is somebody's data
 *   block device      opened exclusively (not mounted, no swap), and refused when
 *                     its first MiB holds anything but zeros or a swap header
 *
 * The first MiB of a device is never written. So a device stays what it was:
 * empty, or a formatted swap partition; and the next start recognizes it without
 * a mark of our own. Nobody but root, us and the node's group may get at it; a symbolic link to
 * one is followed if root made it (/dev/mapper, /dev/disk).
 *
 * What is checked is what was opened (fstat), not what a path named before.
 *
 * What has a name is locked (flock) so that two owners cannot share it.
 */
#include "backend/file_place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "base/message.h"

#define DEFAULT_HIGHEST (64ull << 30)
#define MIB		(1ull << 20)

struct opening {
	const struct backend_spec *spec;
	struct file_place *place;
	char *message;
};

/* The way out for the errors that opening a path can meet. */
static const char *way_out(int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
		return "give yourself the right to it, or name a folder of your own "
		       "(--backend file:/var/tmp)";
	case ENOENT:
	case ENOTDIR:
		return "make its folder first, or name one that exists "
		       "(--backend file:/var/tmp)";
	case EROFS:
		return "name a place on a file system that can be written";
	case ENOSPC:
	case EDQUOT:
		return "make room there, or name a place on another file system";
	case EBUSY:
		return "unmount it or swapoff it first, or name another device";
	case EMFILE:
	case ENFILE:
		return "raise the limit on open files (ulimit -n)";
	default:
		return "name another file, block device or folder (--backend file:PATH)";
	}
}

static int fail_errno(struct opening *opening, const char *what, int error)
{
	return explain(opening->message, -error, "cannot %s %s: %s; %s", what, opening->spec->path,
		       strerror(error), way_out(error));
}

static int open_in_folder(struct opening *opening)
{
	char name[sizeof(opening->spec->path) + 16];
	int fd = open(opening->spec->path, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);

	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
		snprintf(name, sizeof(name), "%s/vswap-XXXXXX", opening->spec->path);
		fd = mkostemp(name, O_CLOEXEC);
		if (fd >= 0)
			unlink(name);
	}
	/* The folder is there, but takes no files (/proc). */
	if (fd < 0)
		return fail_errno(opening, "make a file in", errno == ENOENT ? EOPNOTSUPP : errno);
	opening->place->fd = fd;
	return 0;
}

static int open_new(struct opening *opening)
{
	const char *path = opening->spec->path;
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return fail_errno(opening, "make", errno);
	unlink(path);
	opening->place->fd = fd;
	return 0;
}

static int lock_file(struct opening *opening)
{
	if (flock(opening->place->fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return fail_errno(opening, "lock", errno);
	return explain(opening->message, -EBUSY,
		       "%s is in use by another program; wait for it to end, or name another file "
		       "(a folder can serve any number: --backend file:/var/tmp)",
		       opening->spec->path);
}

static int fail_changing(struct opening *opening)
{
	return explain(opening->message, -EAGAIN,
		       "%s became something else while it was opened; name a place that others "
		       "cannot change",
		       opening->spec->path);
}

/* Who else can get at the file could read the program's memory, or write to it. */
static int check_file_ours(struct opening *opening, const struct stat *status)
{
	const char *path = opening->spec->path;

	if (!S_ISREG(status->st_mode))
		return fail_changing(opening);
	if (status->st_uid != geteuid())
		return explain(opening->message, -EPERM,
			       "%s belongs to another user, who could read your program's memory; "
			       "name a new file, or a folder (--backend file:/var/tmp)",
			       path);
	if (status->st_mode & 077)
		return explain(
			opening->message, -EPERM,
			"%s may be used by others (mode %04o), who could read your program's "
			"memory; run: chmod 600 %s",
			path, status->st_mode & 07777, path);
	if (status->st_nlink != 1)
		return explain(opening->message, -EPERM,
			       "%s has %lu names, and others may get at it by another; name a new "
			       "file, or a folder (--backend file:/var/tmp)",
			       path, (unsigned long)status->st_nlink);
	return 0;
}

static int open_file(struct opening *opening)
{
	const char *path = opening->spec->path;
	struct stat status;
	int error;

	opening->place->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (opening->place->fd < 0)
		return errno == ELOOP ? fail_changing(opening) : fail_errno(opening, "open", errno);
	if (fstat(opening->place->fd, &status))
		return fail_errno(opening, "look at", errno);
	error = check_file_ours(opening, &status);
	if (!error)
		error = lock_file(opening);
	if (error)
		return error;
	/* Its last user may have ended just now. */
	if (fstat(opening->place->fd, &status))
		return fail_errno(opening, "look at", errno);
	if (status.st_size)
		return explain(opening->message, -EEXIST,
			       "%s exists and is not empty: vswap would overwrite it; remove it or "
			       "name a new one",
			       path);
	opening->place->keep = true;
	return 0;
}

/* A device may be overwritten when nothing is on it, or when it was formatted as swap. */
static int check_device_unused(struct opening *opening)
{
	static const char swap_mark[] = "SWAPSPACE2";
	const size_t at = 4096 - (sizeof(swap_mark) - 1);
	char *bytes = malloc(MIB);
	int error = 0;

	if (!bytes)
		return explain(opening->message, -ENOMEM,
			       "no memory to look at %s; free some and try again",
			       opening->spec->path);
	if (pread(opening->place->fd, bytes, MIB, 0) != (ssize_t)MIB)
		error = explain(opening->message, -EIO,
				"%s cannot be read, or is smaller than 1 MiB; name another device",
				opening->spec->path);
	else if (memcmp(bytes + at, swap_mark, sizeof(swap_mark) - 1) &&
		 (bytes[0] || memcmp(bytes, bytes + 1, MIB - 1)))
		error = explain(
			opening->message, -EEXIST,
			"%s holds data (its first MiB is neither empty nor a swap header): "
			"vswap would overwrite it; if nothing on it is needed, run: mkswap -f %s",
			opening->spec->path, opening->spec->path);
	free(bytes);
	return error;
}

/* Its group is the system's choice (disk): who is in it can read every disk anyway. */
static int check_device_ours(struct opening *opening)
{
	const char *path = opening->spec->path;
	struct stat status;

	if (fstat(opening->place->fd, &status))
		return fail_errno(opening, "look at", errno);
	if (!S_ISBLK(status.st_mode))
		return fail_changing(opening);
	if (status.st_uid && status.st_uid != geteuid())
		return explain(opening->message, -EPERM,
			       "%s belongs to another user, who could read your program's memory; "
			       "run: chown root %s",
			       path, path);
	if (status.st_mode & 07)
		return explain(opening->message, -EPERM,
			       "everybody may use %s (mode %04o) and could read your program's "
			       "memory; run: chmod o= %s",
			       path, status.st_mode & 07777, path);
	return 0;
}

static int open_device(struct opening *opening, const char *path)
{
	struct file_place *place = opening->place;
	uint64_t bytes;
	int error;

	/* O_EXCL without O_CREAT: EBUSY when the kernel uses the device (mounted, swap, md, dm). */
	place->fd = open(path, O_RDWR | O_EXCL | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (place->fd < 0)
		return fail_errno(opening, "use the device", errno);
	error = check_device_ours(opening);
	if (error)
		return error;
	place->device = true;
	error = lock_file(opening);
	if (!error)
		error = check_device_unused(opening);
	if (error)
		return error;
	if (ioctl(place->fd, BLKGETSIZE64, &bytes))
		return fail_errno(opening, "learn the size of", errno);
	place->start = MIB;
	place->bytes = bytes - MIB;
	if (opening->spec->size > place->bytes)
		return explain(opening->message, -ENOSPC,
			       "%s has only %llu MiB for vswap; leave size out to use all of it",
			       opening->spec->path, (unsigned long long)(place->bytes / MIB));
	if (opening->spec->size)
		place->bytes = opening->spec->size;
	return 0;
}

/* A link could lead elsewhere the next moment. In a folder the file is new and ours wherever that
 * is; a device has its name by root's links only (/dev/mapper, /dev/disk). */
static int open_link(struct opening *opening, uid_t owner)
{
	char target[PATH_MAX];
	struct stat status;

	if (!realpath(opening->spec->path, target) || stat(target, &status))
		return fail_errno(opening, "follow", errno);
	if (S_ISDIR(status.st_mode))
		return open_in_folder(opening);
	if (!S_ISBLK(status.st_mode) || owner)
		return explain(
			opening->message, -ELOOP,
			"%s is a symbolic link, which others may change; name what it points "
			"to: %s",
			opening->spec->path, target);
	return open_device(opening, target);
}

static int open_path(struct opening *opening)
{
	struct stat status;

	if (lstat(opening->spec->path, &status)) {
		if (errno == ENOENT)
			return open_new(opening);
		return fail_errno(opening, "open", errno);
	}
	switch (status.st_mode & S_IFMT) {
	case S_IFLNK:
		return open_link(opening, status.st_uid);
	case S_IFDIR:
		return open_in_folder(opening);
	case S_IFREG:
		return open_file(opening);
	case S_IFBLK:
		return open_device(opening, opening->spec->path);
	default:
		return explain(opening->message, -EINVAL,
			       "%s is no file, block device or folder; name one of these",
			       opening->spec->path);
	}
}

/* Chooses a file's size and makes it that long, without taking room yet. */
static int size_file(struct opening *opening)
{
	struct file_place *place = opening->place;
	struct rlimit limit;
	struct statfs system;
	uint64_t room;

	if (fstatfs(place->fd, &system))
		return fail_errno(opening, "learn the free room of", errno);
	room = (uint64_t)system.f_bavail * (uint64_t)system.f_bsize;
	place->bytes = opening->spec->size;
	if (!place->bytes) {
		place->bytes = room / 10 * 9;
		if (place->bytes > DEFAULT_HIGHEST)
			place->bytes = DEFAULT_HIGHEST;
	}
	/* Writing past this limit would raise SIGXFSZ. */
	if (!getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur != RLIM_INFINITY &&
	    place->bytes > limit.rlim_cur)
		place->bytes = limit.rlim_cur;
	place->bytes -= place->bytes % BACKEND_EXTENT_BYTES;
	if (place->bytes && ftruncate(place->fd, (off_t)place->bytes))
		return fail_errno(opening, "make a file of that size at", errno);
	if (system.f_type == TMPFS_MAGIC || system.f_type == RAMFS_MAGIC)
		explain(opening->message, 0,
			"%s lies in RAM (tmpfs): it frees no memory; name a place on a disk",
			opening->spec->path);
	else if (place->bytes > room)
		explain(opening->message, 0,
			"%s has only %llu MiB of free room now, less than its size says",
			opening->spec->path, (unsigned long long)(room / MIB));
	return 0;
}

/* Asks for O_DIRECT and tries it: some file systems accept the flag and refuse the reads. */
static int try_direct(struct opening *opening)
{
	struct file_place *place = opening->place;
	int flags = fcntl(place->fd, F_GETFL);
	void *probe = aligned_alloc(BACKEND_ALIGN, BACKEND_ALIGN);

	if (!probe)
		return explain(opening->message, -ENOMEM,
			       "no memory to open %s; free some and try again",
			       opening->spec->path);
	place->direct = fcntl(place->fd, F_SETFL, flags | O_DIRECT) == 0 &&
			pread(place->fd, probe, BACKEND_ALIGN, (off_t)place->start) ==
				(ssize_t)BACKEND_ALIGN;
	free(probe);
	if (place->direct)
		return 0;
	fcntl(place->fd, F_SETFL, flags);
	if (!opening->message[0])
		explain(opening->message, 0,
			"%s cannot be written past the page cache (no O_DIRECT there): it will be "
			"slower; a local ext4, xfs or btrfs file system can",
			opening->spec->path);
	return 0;
}

int file_place_open(const struct backend_spec *spec, struct file_place *place, char *message)
{
	struct opening opening = {spec, place, message};
	int error;

	*place = (struct file_place){.fd = -1};
	message[0] = '\0';
	error = open_path(&opening);
	if (!error && !place->device)
		error = size_file(&opening);
	place->bytes -= place->bytes % BACKEND_EXTENT_BYTES;
	if (!error && !place->bytes)
		error = spec->size && spec->size < MIB
				? explain(opening.message, -EINVAL,
					  "size= for %s must be at least 1 MiB: size=512M",
					  spec->path)
				: explain(opening.message, -ENOSPC,
					  "%s has room for less than 1 MiB; %s", spec->path,
					  way_out(ENOSPC));
	if (!error)
		error = try_direct(&opening);
	if (error)
		file_place_close(place);
	return error;
}

void file_place_discard(struct file_place *place, uint64_t offset, uint64_t length)
{
	uint64_t range[2] = {offset, length};

	if (place->device)
		ioctl(place->fd, BLKDISCARD, range);
	else
		fallocate(place->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
			  (off_t)length);
}

void file_place_close(struct file_place *place)
{
	if (place->fd < 0)
		return;
	if (place->device && place->bytes)
		file_place_discard(place, place->start, place->bytes);
	if (place->keep && ftruncate(place->fd, 0))
		fallocate(place->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			  (off_t)place->bytes);
	close(place->fd);
	place->fd = -1;
}
