/* SPDX-License-Identifier: MIT */
#include "attach/proc.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
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

/* What getdents64 gives. */
struct entry {
	uint64_t inode;
	int64_t offset;
	unsigned short length;
	unsigned char type;
	char name[];
};

bool proc_each_number(int folder, bool (*found)(void *argument, int number), void *argument)
{
	_Alignas(struct entry) char text[4096];
	bool done = false;
	long got;

	while (!done && (got = syscall(SYS_getdents64, folder, text, sizeof(text))) > 0) {
		for (long at = 0; !done && at < got;) {
			const struct entry *entry = (const void *)(text + at);

			at += entry->length;
			if (isdigit((unsigned char)entry->name[0]))
				done = found(argument, atoi(entry->name));
		}
	}
	return done;
}

long proc_status_number(pid_t pid, pid_t tid, const char *name)
{
	char path[64], text[4096], line[48];
	const char *at;
	ssize_t got;
	int file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", (int)pid, (int)tid);
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return 0;
	got = read(file, text, sizeof(text) - 1);
	close(file);
	text[got > 0 ? got : 0] = '\0';
	snprintf(line, sizeof(line), "\n%s:\t", name);
	at = strstr(text, line);
	return at ? atol(at + strlen(line)) : 0;
}
