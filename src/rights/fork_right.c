/* SPDX-License-Identifier: MIT */
#include "rights/fork_right.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void fork_right_path(char path[PATH_MAX])
{
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - sizeof(FORK_RIGHT_HELPER) - 1);
	char *name;

	path[length > 0 ? length : 0] = '\0';
	name = strrchr(path, '/');
	if (name) {
		strcpy(name + 1, FORK_RIGHT_HELPER);
		if (!access(path, F_OK))
			return;
	}
	snprintf(path, PATH_MAX, "%s/%s", VSWAP_LIBEXEC, FORK_RIGHT_HELPER);
}

/* dup2 onto itself would leave close-on-exec set. */
static int spawn(const char *path, int userfault, char **arguments, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	char *nothing[] = {NULL};
	int copy = fcntl(userfault, F_DUPFD_CLOEXEC, FORK_RIGHT_DESCRIPTOR + 1), error;

	if (copy < 0)
		return -errno;
	error = posix_spawn_file_actions_init(&actions);
	if (!error)
		error = posix_spawn_file_actions_adddup2(&actions, copy, FORK_RIGHT_DESCRIPTOR);
	if (!error)
		error = posix_spawn(pid, path, &actions, NULL, arguments, nothing);
	posix_spawn_file_actions_destroy(&actions);
	close(copy);
	return -error;
}

int fork_right_enable(int userfault, uint64_t features)
{
	char path[PATH_MAX], number[2 + 2 * sizeof(features) + 1];
	char *arguments[] = {path, number, NULL};
	int error, status;
	pid_t pid;

	fork_right_path(path);
	snprintf(number, sizeof(number), "%" PRIx64, features);
	error = spawn(path, userfault, arguments, &pid);
	if (error)
		return error == -ENOENT || error == -EACCES ? -EPERM : error;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}
