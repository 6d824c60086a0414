/* SPDX-License-Identifier: MIT */
/* Where a thread that hangs is. Allocates nothing: said while nobody serves faults. */
#ifndef TESTS_STORM_WHERE_H
#define TESTS_STORM_WHERE_H

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static inline void show_file(const char *folder, const char *name)
{
	char path[64], text[200];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return;
	text[n] = 0;
	if (text[n - 1] == '\n')
		text[n - 1] = 0;
	dprintf(STDERR_FILENO, " %s [%s]", name, text);
}

/* `folder` is /proc/PID or /proc/PID/task/TID. Ends the line. */
static inline void show_where(const char *folder)
{
	show_file(folder, "stat");
	show_file(folder, "wchan");
	show_file(folder, "syscall");
	dprintf(STDERR_FILENO, "\n");
}

#endif
