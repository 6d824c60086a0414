/* SPDX-License-Identifier: MIT */
#include "rights/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <linux/capability.h>
#include <pwd.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "base/message.h"
#include "rights/fork_right.h"

#define DEVICE	   "/dev/userfaultfd"
#define RULES	   "/etc/udev/rules.d"
#define RULE	   RULES "/60-vswap.rules"
#define CAPABILITY "security.capability"

/* Runs one of the system's own programs. */
static int call(char *message, char **arguments)
{
	char *nothing[] = {NULL};
	int error, status = 0;
	pid_t pid;

	error = posix_spawn(&pid, arguments[0], NULL, NULL, arguments, nothing);
	if (error)
		return explain(message, -error, "cannot run %s: %s", arguments[0], strerror(error));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return explain(message, -EIO, "%s failed: see what it says above", arguments[0]);
	return 0;
}

static int find_group(char *message, gid_t *gid)
{
	char *arguments[] = {"/usr/sbin/groupadd", "--system", SETUP_GROUP, NULL};
	const struct group *group = getgrnam(SETUP_GROUP);
	int error = group ? 0 : call(message, arguments);

	if (error)
		return error;
	group = getgrnam(SETUP_GROUP);
	if (!group)
		return explain(message, -ENOENT, "there is no group %s", SETUP_GROUP);
	*gid = group->gr_gid;
	return 0;
}

static int set_device(char *message, gid_t gid, mode_t mode)
{
	int device = open(DEVICE, O_RDWR | O_NOFOLLOW | O_CLOEXEC), error = 0;
	struct stat stat;

	if (device < 0)
		return explain(
			message, -errno,
			"cannot open %s: %s; the kernel needs CONFIG_USERFAULTFD=y and Linux "
			"6.1 or newer",
			DEVICE, strerror(errno));
	if (fstat(device, &stat) || !S_ISCHR(stat.st_mode))
		error = explain(message, -ENODEV, "%s is not the kernel's device", DEVICE);
	else if (fchown(device, 0, gid) || fchmod(device, mode))
		error = explain(message, -errno, "cannot change %s: %s", DEVICE, strerror(errno));
	close(device);
	return error;
}

/* What udev does with the device at each boot. */
static int write_rule(char *message)
{
	FILE *file;
	bool good;

	/* Without udev (a container) whoever makes the device decides. */
	if (access("/etc/udev", F_OK))
		return 0;
	mkdir(RULES, 0755);
	file = fopen(RULE, "we");
	if (!file)
		return explain(message, -errno, "cannot write %s: %s", RULE, strerror(errno));
	good = fputs("# Members of the group " SETUP_GROUP
		     " may have the page faults of their programs "
		     "served; see vswap-setup(1).\n"
		     "KERNEL==\"userfaultfd\", GROUP=\"" SETUP_GROUP "\", MODE=\"0660\"\n",
		     file) >= 0;
	if (fclose(file) || !good)
		return explain(message, -errno, "cannot write %s: %s", RULE, strerror(errno));
	return 0;
}

/* Nobody but root can put another file there. */
static bool is_roots_alone(const char *path)
{
	char copy[PATH_MAX], *at = copy;
	struct stat stat;

	snprintf(copy, sizeof(copy), "%s", path);
	for (;;) {
		if (lstat(at, &stat) || stat.st_uid || stat.st_mode & (S_IWGRP | S_IWOTH))
			return false;
		if (!strcmp(at, "/"))
			return true;
		at = dirname(at);
	}
}

static int open_helper(char *message)
{
	char path[PATH_MAX], real[PATH_MAX];
	int helper;

	fork_right_path(path);
	if (!realpath(path, real))
		return explain(message, -errno, "cannot find %s: %s; install vswap first", path,
			       strerror(errno));
	if (!is_roots_alone(real))
		return explain(
			message, -EPERM,
			"%s, or a folder above it, can be changed by others than root: install "
			"vswap (ninja -C build install) and run the installed one",
			real);
	helper = open(real, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (helper < 0)
		return explain(message, -errno, "cannot open %s: %s", real, strerror(errno));
	return helper;
}

static int set_helper(char *message, int helper, gid_t gid)
{
	struct vfs_cap_data capability = {
		.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
		.data[0].permitted = 1u << CAP_SYS_PTRACE,
	};

	/* In this order: a capability never stands on a file that others may run. */
	if (fchown(helper, 0, gid) || fchmod(helper, 0750) ||
	    fsetxattr(helper, CAPABILITY, &capability, sizeof(capability), 0))
		return explain(message, -errno,
			       "cannot give the helper its right: %s; the file system must keep "
			       "extended attributes and not be mounted nosuid",
			       strerror(errno));
	return 0;
}

int setup_machine(char message[MESSAGE_BYTES])
{
	/* First what can be wrong with how vswap was installed: then nothing is changed. */
	int helper = open_helper(message), error;
	gid_t gid = 0;

	if (helper < 0)
		return helper;
	error = find_group(message, &gid);
	error = error ?: set_device(message, gid, 0660);
	error = error ?: write_rule(message);
	error = error ?: set_helper(message, helper, gid);
	close(helper);
	return error;
}

int setup_user(const char *user, char message[MESSAGE_BYTES])
{
	char name[64];
	char *arguments[] = {"/usr/sbin/usermod", "-aG", SETUP_GROUP, name, NULL};

	if (!getpwnam(user))
		return explain(message, -ENOENT, "there is no user %s", user);
	snprintf(name, sizeof(name), "%s", user);
	return call(message, arguments);
}

int setup_undo(char message[MESSAGE_BYTES])
{
	int helper = open_helper(message), error = 0;

	if (helper < 0)
		return helper;
	if (fremovexattr(helper, CAPABILITY) && errno != ENODATA)
		error = explain(message, -errno, "cannot take the helper's right away: %s",
				strerror(errno));
	else if (fchown(helper, 0, 0) || fchmod(helper, 0755))
		error = explain(message, -errno, "cannot change the helper: %s", strerror(errno));
	close(helper);
	error = error ?: set_device(message, 0, 0600);
	if (!error && unlink(RULE) && errno != ENOENT && errno != ENOTDIR)
		error = explain(message, -errno, "cannot remove %s: %s", RULE, strerror(errno));
	return error;
}
