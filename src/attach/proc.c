/* SPDX-License-Identifier: MIT */
#include "attach/proc.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *proc_stat_of(int file, char text[PROC_STAT])
{
	ssize_t got = pread(file, text, PROC_STAT - 1, 0);
	const char *name_end;

	text[got > 0 ? got : 0] = '\0';
	name_end = strrchr(text, ')');
	return name_end && name_end[1] ? name_end + 2 : NULL;
}

const char *proc_stat(pid_t pid, pid_t tid, char text[PROC_STAT])
{
	const char *stat;
	char path[64];
	int file;

	if (tid)
		snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)pid, (int)tid);
	else
		snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return NULL;
	stat = proc_stat_of(file, text);
	close(file);
	return stat;
}

const char *proc_field(const char *stat, int number)
{
	for (int at = 3; stat && at < number; at++) {
		stat = strchr(stat, ' ');
		stat += stat != NULL;
	}
	return stat;
}

pid_t proc_parent(pid_t pid)
{
	char text[PROC_STAT];
	const char *parent = proc_field(proc_stat(pid, 0, text), 4);

	return parent ? atoi(parent) : 0;
}
