/* SPDX-License-Identifier: MIT */
/*
 * Where the files are: /proc/PID/cgroup has the cgroup's path below the root of its hierarchy, as
 * seen from our cgroup namespace, and mountinfo says which part of the hierarchy is mounted where.
 * In a container the path may be the machine's, while only the container's own cgroup is mounted,
 * as if it were a root: where the path leads nowhere, that mount is the nearest thing there is.
 */
#include "cgroup/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/message.h"
#include "cgroup/cgroup_parse.h"

#define TEXT_BYTES 16384

struct cgroup {
	enum cgroup_version version;
	const char *root;      /* the caller's */
	char path[PATH_MAX];   /* its folder */
	size_t top;	       /* of which this is the mount: nothing above it is seen */
	char caller[PATH_MAX]; /* the calling process's folder; empty: not known */
	char text[TEXT_BYTES]; /* of the file read last */
};

/* Reads a file whole, or its first TEXT_BYTES - 1. 0 or -errno. */
static int read_text(struct cgroup *cgroup, const char *path)
{
	int descriptor = open(path, O_RDONLY | O_CLOEXEC), error = 0;
	size_t used = 0;

	cgroup->text[0] = '\0';
	if (descriptor < 0)
		return -errno;
	while (used < TEXT_BYTES - 1) {
		ssize_t got = read(descriptor, cgroup->text + used, TEXT_BYTES - 1 - used);

		if (got < 0)
			error = -errno;
		if (got <= 0)
			break;
		used += (size_t)got;
	}
	close(descriptor);
	cgroup->text[used] = '\0';
	return error;
}

/* ---- finding ---- */

/* What stands behind the mounted cgroup in a path; NULL: the path is not below it. */
static const char *below(const char *path, const char *mounted)
{
	size_t length = strlen(mounted);

	if (!strcmp(mounted, "/"))
		return path;
	if (strncmp(path, mounted, length) != 0 || (path[length] && path[length] != '/'))
		return NULL;
	return path + length;
}

static bool is_folder(const char *path)
{
	struct stat status;

	return !stat(path, &status) && S_ISDIR(status.st_mode);
}

/* Puts ROOT POINT BELOW into `path`, without a last slash; true if that is a folder. */
static bool set_folder(const char *root, const char *point, const char *rest, char *path,
		       size_t *top)
{
	int length = snprintf(path, PATH_MAX, "%s%s", root, point);

	if (length < 0 || length >= PATH_MAX)
		return false;
	*top = (size_t)length;
	if (strcmp(rest, "/") != 0 &&
	    snprintf(path + length, PATH_MAX - (size_t)length, "%s", rest) >= PATH_MAX - length)
		return false;
	return is_folder(path);
}

/* Another cgroup namespace shows what is above its own root so. */
static bool is_outside(const char *path)
{
	return !strncmp(path, "/..", 3);
}

/* The folder of a cgroup; `named` is its path in the hierarchy. */
static int find_folder(const char *root, enum cgroup_version version, const char *named,
		       char *folder, size_t *top)
{
	char path[PATH_MAX], mounted[PATH_MAX], point[PATH_MAX], spare[PATH_MAX] = "", *line = NULL;
	const char *rest;
	bool found = false;
	size_t room = 0;
	FILE *mounts;

	snprintf(path, sizeof(path), "%s/proc/self/mountinfo", root);
	mounts = fopen(path, "re");
	if (!mounts)
		return -errno;
	while (!found && getline(&line, &room, mounts) > 0) {
		if (cgroup_parse_mount(line, mounted, point, PATH_MAX) != version)
			continue;
		rest = is_outside(named) ? NULL : below(named, mounted);
		found = rest && set_folder(root, point, rest, folder, top);
		if (!found && !spare[0])
			strcpy(spare, point);
	}
	free(line);
	fclose(mounts);
	if (!found && spare[0] && !is_outside(named))
		found = set_folder(root, spare, "/", folder, top);
	return found ? 0 : -ENOENT;
}

/* `process`: a pid, or "self". */
static int find(struct cgroup *cgroup, const char *process, char *folder, size_t *top)
{
	char path[PATH_MAX], named[PATH_MAX];
	int error;

	snprintf(path, sizeof(path), "%s/proc/%s/cgroup", cgroup->root, process);
	error = read_text(cgroup, path);
	if (error)
		return error == -ENOENT ? -ESRCH : error;
	cgroup->version = cgroup_parse_membership(cgroup->text, named, sizeof(named));
	if (cgroup->version == CGROUP_NONE)
		return -ENOENT;
	return find_folder(cgroup->root, cgroup->version, named, folder, top);
}

static void explain_open(int error, pid_t pid, char message[MESSAGE_BYTES])
{
	if (error == -ESRCH)
		explain(message, 0, "process %d: there is no such process", (int)pid);
	else if (error == -ENOENT)
		explain(message, 0,
			"process %d is in no memory cgroup that can be seen here (is "
			"/sys/fs/cgroup "
			"mounted?); give the budget as a size (-m 512M)",
			(int)pid);
	else
		explain(message, 0,
			"cannot find the memory cgroup of process %d: %s; give the budget as a "
			"size (-m 512M)",
			(int)pid, strerror(-error));
}

int cgroup_open(struct cgroup **out, const char *root, pid_t pid, char message[MESSAGE_BYTES])
{
	struct cgroup *cgroup = calloc(1, sizeof(*cgroup));
	char process[16];
	int error = -ENOMEM;
	size_t top;

	snprintf(process, sizeof(process), "%d", (int)pid);
	if (cgroup) {
		cgroup->root = root;
		/* Where we are ourselves says whose memory is counted there; it may be elsewhere.
		 */
		if (find(cgroup, "self", cgroup->caller, &top))
			cgroup->caller[0] = '\0';
		error = find(cgroup, process, cgroup->path, &cgroup->top);
	}
	if (error) {
		explain_open(error, pid, message);
		free(cgroup);
		return error;
	}
	*out = cgroup;
	return 0;
}

void cgroup_close(struct cgroup *cgroup)
{
	free(cgroup);
}

const char *cgroup_path(const struct cgroup *cgroup)
{
	return cgroup->path;
}

/* ---- reading ---- */

/* A file of the cgroup whose folder is the first `length` bytes of the path. */
static int read_file(struct cgroup *cgroup, size_t length, const char *name)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%.*s/%s", (int)length, cgroup->path, name);
	return read_text(cgroup, path);
}

static int read_bytes(struct cgroup *cgroup, size_t length, const char *name, uint64_t *bytes)
{
	int error = read_file(cgroup, length, name);

	if (!error && !cgroup_parse_bytes(cgroup->text, bytes))
		error = -EINVAL;
	return error;
}

static uint64_t member(const struct cgroup *cgroup, const char *name)
{
	uint64_t value;

	return cgroup_parse_member(cgroup->text, name, &value) ? value : 0;
}

/* Page cache that is mapped or dirty can be taken back as well; shared memory and what is locked
 * stand in other lists. */
static int read_used(struct cgroup *cgroup, struct cgroup_level *level)
{
	bool old = cgroup->version == CGROUP_V1;
	uint64_t taken_back;
	int error = read_bytes(cgroup, level->path_length,
			       old ? "memory.usage_in_bytes" : "memory.current", &level->used);

	if (!error)
		error = read_file(cgroup, level->path_length, "memory.stat");
	if (error)
		return error;
	if (old)
		taken_back =
			member(cgroup, "total_inactive_file") + member(cgroup, "total_active_file");
	else
		taken_back = member(cgroup, "inactive_file") + member(cgroup, "active_file") +
			     member(cgroup, "slab_reclaimable");
	level->used -= taken_back < level->used ? taken_back : level->used;
	return 0;
}

/* v1 knows of limits above what is mounted, too. */
static int read_limit_v1(struct cgroup *cgroup, struct cgroup_level *level)
{
	uint64_t above;
	int error = read_bytes(cgroup, level->path_length, "memory.limit_in_bytes", &level->limit);

	if (!error && level->path_length == cgroup->top)
		error = read_file(cgroup, level->path_length, "memory.stat");
	if (!error && level->path_length == cgroup->top &&
	    cgroup_parse_member(cgroup->text, "hierarchical_memory_limit", &above) &&
	    above < level->limit)
		level->limit = above;
	return error;
}

/* Above memory.high nothing is killed, but everything is slowed down. */
static int read_limit_v2(struct cgroup *cgroup, struct cgroup_level *level)
{
	uint64_t high;
	int error = read_bytes(cgroup, level->path_length, "memory.max", &level->limit);

	if (!error)
		error = read_bytes(cgroup, level->path_length, "memory.high", &high);
	if (!error && high < level->limit)
		level->limit = high;
	return error;
}

/* The root has no such files in v2, nor has a cgroup that the controller is not enabled for: no
 * limit then. */
static int read_level(struct cgroup *cgroup, struct cgroup_level *level)
{
	int error = cgroup->version == CGROUP_V1 ? read_limit_v1(cgroup, level)
						 : read_limit_v2(cgroup, level);

	if (error == -ENOENT)
		level->limit = CGROUP_UNLIMITED;
	else if (error)
		return error;
	if (level->limit >= CGROUP_UNLIMITED)
		return 0;
	level->has_caller =
		!strncmp(cgroup->caller, cgroup->path, level->path_length) &&
		(!cgroup->caller[level->path_length] || cgroup->caller[level->path_length] == '/');
	return read_used(cgroup, level);
}

static int unreadable(const struct cgroup *cgroup, size_t length, int error,
		      char message[MESSAGE_BYTES])
{
	if (error == -ENOENT || error == -ENODEV)
		return explain(message, error, "the cgroup %.*s is gone", (int)length,
			       cgroup->path);
	return explain(message, error, "cannot read the memory limits in %.*s: %s", (int)length,
		       cgroup->path, strerror(-error));
}

int cgroup_read(struct cgroup *cgroup, struct cgroup_level levels[CGROUP_LEVELS],
		char message[MESSAGE_BYTES])
{
	size_t length = strlen(cgroup->path);
	int count = 0, error;

	if (!is_folder(cgroup->path))
		return unreadable(cgroup, length, -ENOENT, message);
	while (count < CGROUP_LEVELS) {
		struct cgroup_level *level = &levels[count];

		*level = (struct cgroup_level){.path_length = length};
		error = read_level(cgroup, level);
		if (error)
			return unreadable(cgroup, length, error, message);
		count += level->limit < CGROUP_UNLIMITED;
		if (length <= cgroup->top)
			break;
		while (length > cgroup->top && cgroup->path[--length] != '/')
			;
	}
	return count;
}

bool cgroup_stalled(struct cgroup *cgroup, uint64_t *microseconds)
{
	char path[PATH_MAX];
	size_t length = strlen(cgroup->path);

	if (cgroup->version == CGROUP_V2 && !read_file(cgroup, length, "memory.pressure"))
		return cgroup_parse_stalled(cgroup->text, microseconds);
	snprintf(path, sizeof(path), "%s/proc/pressure/memory", cgroup->root);
	return !read_text(cgroup, path) && cgroup_parse_stalled(cgroup->text, microseconds);
}
