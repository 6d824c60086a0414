/* SPDX-License-Identifier: MIT */
#include "base/proc.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
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

	/* /proc/PID/stat would add up the times of all threads, with their signals locked. */
	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)pid, (int)(tid ? tid : pid));
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return NULL;
	stat = proc_stat_of(file, text);
	close(file);
	return stat;
}

char proc_state(pid_t pid)
{
	char text[PROC_STAT];
	const char *stat = proc_stat(pid, 0, text);

	return stat ? *stat : '\0';
}

const char *proc_field(const char *stat, int number)
{
	for (int at = 3; stat && at < number; at++) {
		stat = strchr(stat, ' ');
		stat += stat != NULL;
	}
	return stat;
}

/* Bytes of the printable character that begins here; 0: there is none. */
static unsigned int printable(const unsigned char *at)
{
	static const unsigned int least[] = {0, 0, 0xa0, 0x800,
					     0x10000}; /* C1 controls are below */
	unsigned int length = *at < 0x80 ? 1 : *at < 0xc2 ? 0 : *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;
	unsigned int value = *at & (0xffu >> (length + 1));

	if (length == 1)
		return *at >= 0x20 && *at != 0x7f;
	if (!length || *at > 0xf4)
		return 0;
	for (unsigned int i = 1; i < length; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (at[i] & 0x3f);
	}
	/* Marks that turn the direction of text hide what stands there. */
	if (value < least[length] || (value >= 0x200e && value <= 0x202e) ||
	    (value >= 0x2066 && value <= 0x2069) || (value >= 0xd800 && value < 0xe000))
		return 0;
	return length;
}

void proc_clean(char *name)
{
	while (*name) {
		unsigned int length = printable((unsigned char *)name);

		if (!length)
			*name = '?';
		name += length ? length : 1;
	}
}

void proc_line(pid_t tid, const char *file, char *text, size_t size)
{
	char path[64];
	ssize_t got;
	int opened;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)tid, file);
	opened = open(path, O_RDONLY | O_CLOEXEC);
	got = opened < 0 ? 0 : read(opened, text, size - 1);
	if (opened >= 0)
		close(opened);
	text[got > 0 ? got : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

void proc_command(pid_t pid, char *name, size_t size)
{
	proc_line(pid, "comm", name, size);
	proc_clean(name);
}

bool proc_status_line(pid_t tid, const char *name, char *value, size_t size)
{
	size_t length = strlen(name);
	char path[64], line[256];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
	file = fopen(path, "re");
	while (file && !found && fgets(line, sizeof(line), file)) {
		found = !strncmp(line, name, length) && line[length] == ':';
		if (found)
			snprintf(value, size, "%s",
				 line + length + 1 + strspn(line + length + 1, "\t "));
	}
	if (file)
		fclose(file);
	return found;
}

bool proc_is_short(void)
{
	return errno == EMFILE || errno == ENFILE || errno == ENOMEM;
}

pid_t proc_parent(pid_t pid)
{
	char text[PROC_STAT];
	const char *parent = proc_field(proc_stat(pid, 0, text), 4);

	return parent ? atoi(parent) : 0;
}

unsigned int proc_threads(pid_t pid)
{
	char text[PROC_STAT];
	const char *threads = proc_field(proc_stat(pid, 0, text), 20);

	return threads ? (unsigned int)atoi(threads) : 0;
}

int proc_open_threads(pid_t pid)
{
	char path[48];
	int folder;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder < 0 ? -errno : folder;
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

static pid_t each_child_of_thread(const char *path, proc_child_fn found, void *argument)
{
	char text[4096], *at = text, *end;
	pid_t result = 0;
	size_t kept = 0;
	ssize_t got;
	int file = open(path, O_RDONLY | O_CLOEXEC);

	if (file < 0)
		return 0;
	while (!result && (got = read(file, text + kept, sizeof(text) - 1 - kept)) > 0) {
		text[kept + (size_t)got] = '\0';
		/* Each number ends with a space: what has none yet is not whole. */
		for (at = text; !result && (end = strchr(at, ' ')); at = end + 1) {
			pid_t pid = (pid_t)strtol(at, NULL, 10);

			if (pid > 0 && found(argument, pid))
				result = pid;
		}
		kept = strlen(at);
		memmove(text, at, kept);
	}
	close(file);
	return result;
}

pid_t proc_each_child(pid_t parent, proc_child_fn found, void *argument)
{
	char path[300];
	struct dirent *entry;
	pid_t result = 0;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", parent);
	tasks = opendir(path);
	if (!tasks)
		return 0;
	while (!result && (entry = readdir(tasks))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/children", parent, entry->d_name);
		result = each_child_of_thread(path, found, argument);
	}
	closedir(tasks);
	return result;
}
