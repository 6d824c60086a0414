/* SPDX-License-Identifier: MIT */
/* The processes that descend from one. Not by src/base/proc.h: who measures vswap must not miss the
 * processes that vswap misses. */
#ifndef BENCH_DESCENDANTS_H
#define BENCH_DESCENDANTS_H

#include <dirent.h>
#include <stdio.h>
#include <sys/types.h>

/* Calls for the children of every thread of a process, and theirs. */
static inline void each_descendant(pid_t pid, void (*found)(pid_t child))
{
	char path[600];
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	for (struct dirent *task; tasks && (task = readdir(tasks));) {
		FILE *children;
		int child;

		snprintf(path, sizeof(path), "/proc/%d/task/%s/children", pid, task->d_name);
		children = task->d_name[0] == '.' ? NULL : fopen(path, "re");
		while (children && fscanf(children, "%d", &child) == 1) {
			found(child);
			each_descendant(child, found);
		}
		if (children)
			fclose(children);
	}
	if (tasks)
		closedir(tasks);
}

#endif
