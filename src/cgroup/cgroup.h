/* SPDX-License-Identifier: MIT */
/*
 * The memory cgroup that a process lives in, v1 or v2, and those above it as far as they can be
 * seen: in a container that is up to the container's own.
 *
 * Files are opened anew at each look: limits change, cgroups go. One thread calls everything.
 */
#ifndef CGROUP_CGROUP_H
#define CGROUP_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/message.h"

#define CGROUP_PATH 256
/* Cgroups with a limit, one in the other, that are looked at: the nearest ones. */
#define CGROUP_LEVELS 16

struct cgroup;

/* One cgroup that has a limit. Bytes. */
struct cgroup_level {
	size_t path_length; /* of cgroup_path */
	uint64_t limit;
	uint64_t used;	 /* without what the kernel can take back: page cache, and slab in v2 */
	bool has_caller; /* the calling process lives in it, too */
};

/*
 * Finds the cgroup of process `pid`; `root` is what stands before every path ("" but in tests).
 * 0, or -errno with a message: -ENOENT: there is no memory cgroup; -ESRCH: no such process.
 */
int cgroup_open(struct cgroup **cgroup, const char *root, pid_t pid, char message[MESSAGE_BYTES]);
void cgroup_close(struct cgroup *cgroup); /* NULL is fine */

/* Where its files are; cut when longer than CGROUP_PATH. */
const char *cgroup_path(const struct cgroup *cgroup);

/* Reads all that have a limit, the process's own first. How many, maybe 0, or -errno with a
 * message when one is gone or cannot be read. */
int cgroup_read(struct cgroup *cgroup, struct cgroup_level levels[CGROUP_LEVELS],
		char message[MESSAGE_BYTES]);

/* Microseconds that tasks have waited for memory: the cgroup's in v2, else the machine's. False
 * if the kernel does not say. */
bool cgroup_stalled(struct cgroup *cgroup, uint64_t *microseconds);

#endif
