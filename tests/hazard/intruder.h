/* SPDX-License-Identifier: MIT */
/* What a program can do that looks for vswap in itself. */
#ifndef TESTS_INTRUDER_H
#define TESTS_INTRUDER_H

#include <dirent.h>
#include "hazard.h"

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif

/* 0: there is no agent. */
static inline pid_t find_agent(void)
{
	DIR *directory = opendir("/proc/self/task");
	struct dirent *entry;
	pid_t found = 0;

	while (directory && !found && (entry = readdir(directory))) {
		char path[64], name[32] = "";
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/task/%d/comm", atoi(entry->d_name));
		file = fopen(path, "re");
		if (!file)
			continue;
		if (fgets(name, sizeof(name), file) && !strncmp(name, "vswap-agent", 11))
			found = atoi(entry->d_name);
		fclose(file);
	}
	if (directory)
		closedir(directory);
	return found;
}

/* A copy of the agent's userfaultfd; -1: not to be had. */
static inline int steal_userfault(pid_t agent)
{
	int pidfd = agent > 0 ? (int)syscall(SYS_pidfd_open, agent, PIDFD_THREAD) : -1, stolen = -1;

	for (int number = 0; pidfd >= 0 && number < 256 && stolen < 0; number++)
		stolen = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
	if (pidfd >= 0)
		close(pidfd);
	return stolen;
}

/* What it has mapped of the file that it shares with the owner, with these permissions, and how long
 * that is. NULL: nothing. */
static inline void *find_shared(const char *permissions, size_t *bytes)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long start, end;
	char line[512], has[5];
	void *found = NULL;

	while (maps && !found && fgets(line, sizeof(line), maps))
		if (strstr(line, "memfd:vswap-agent") &&
		    sscanf(line, "%lx-%lx %4s", &start, &end, has) == 3 &&
		    !strcmp(has, permissions)) {
			found = (void *)start;
			*bytes = end - start;
		}
	if (maps)
		fclose(maps);
	return found;
}

/* The channel is written by both (attach/channel.h). */
static inline void *find_channel(size_t *bytes)
{
	return find_shared("rw-s", bytes);
}

#endif
