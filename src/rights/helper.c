/* SPDX-License-Identifier: MIT */
/*
 * vswap-fork-right: the one thing that vswap needs a capability for, in a program of its own.
 *
 * The kernel tells of forks (UFFD_FEATURE_EVENT_FORK) only if whoever enables a userfaultfd has
 * CAP_SYS_PTRACE. This program has that capability by its file (`vswap setup`), may be run by
 * members of one group only, and does nothing but enable the userfaultfd that its caller hands in.
 * A capability on vswap itself would do much more: it would let its users trace every process.
 *
 *     vswap-fork-right FEATURES        descriptor 3: a userfaultfd, not enabled yet
 *
 * Exit status: 0, or the errno of what failed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "base/kernel.h"
#include "rights/fork_right.h"

static int is_userfault(int descriptor)
{
	static const char wanted[] = "anon_inode:[userfaultfd]";
	char path[32], link[sizeof(wanted) + 1];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", descriptor);
	length = readlink(path, link, sizeof(link));
	return length == (ssize_t)sizeof(wanted) - 1 && !memcmp(link, wanted, sizeof(wanted) - 1);
}

int main(int argc, char **argv)
{
	struct uffdio_api api = {.api = UFFD_API};
	char *end = NULL;

	if (argc == 2)
		api.features = strtoull(argv[1], &end, 16);
	if (!end || end == argv[1] || *end || !is_userfault(FORK_RIGHT_DESCRIPTOR)) {
		fputs("vswap-fork-right is run by vswap, not by hand; see vswap-setup(1)\n",
		      stderr);
		return EINVAL;
	}
	return ioctl(FORK_RIGHT_DESCRIPTOR, UFFDIO_API, &api) ? errno : 0;
}
