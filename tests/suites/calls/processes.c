/* SPDX-License-Identifier: MIT */
/* Description: fork, vfork, posix_spawn, execve; arguments, environment and what a child inherits
 * have left. */
#include "calls.h"
#include <spawn.h>
#include <sys/resource.h>

#define PAGES 32

static const char *self;

/* Arguments on one page, the environment on another, the strings on a third. */
static char **arguments_at(char *at)
{
	char **list = (char **)at, **environment = (char **)(at + PAGE), *texts = at + 2 * PAGE;

	strcpy(texts, self);
	strcpy(texts + 1024, "child");
	strcpy(texts + 2048, "COLOUR=green");
	list[0] = texts;
	list[1] = texts + 1024;
	list[2] = NULL;
	environment[0] = texts + 2048;
	environment[1] = NULL;
	return list;
}

static char **environment_at(char *at)
{
	return (char **)(at + PAGE);
}

static void end(pid_t pid)
{
	int *status = (int *)area(2);

	leave(status, 2);
	show(wait4(pid, status, 0, (struct rusage *)((char *)status + PAGE)) == pid);
	show(*status);
}

static void programs(void)
{
	char *at = area(3), **list = arguments_at(at);
	pid_t pid;

	leave(at, 3);
	pid = fork();
	if (!pid) {
		execve(list[0], list, environment_at(at));
		_exit(99);
	}
	end(pid);
	leave(at, 3);
	pid = vfork();
	if (!pid) {
		execve(list[0], list, environment_at(at));
		_exit(99);
	}
	end(pid);
	leave(at, 3);
	show(posix_spawn(&pid, list[0], NULL, NULL, list, environment_at(at)));
	end(pid);
	leave(at, 3);
	pid = fork();
	if (!pid) {
		leave(at, 3);
		syscall(SYS_execveat, AT_FDCWD, list[0], list, environment_at(at), 0);
		_exit(99);
	}
	end(pid);
	leave(at, 3);
	show(execve(at + 2 * PAGE + 2048, list, environment_at(at)));
}

static void inherits(void)
{
	char *at = area(PAGES);
	pid_t pid;

	fill_and_leave(at, PAGES, 1);
	pid = fork();
	if (!pid) {
		show_pages(at, PAGES, 1);
		fill_and_leave(at, PAGES, 2);
		show_pages(at, PAGES, 2);
		_exit(0);
	}
	end(pid);
	show_pages(at, PAGES, 1);
	leave(at, PAGES);
	pid = fork();
	if (!pid) {
		pid = fork();
		if (!pid) {
			show_pages(at, PAGES, 1);
			_exit(0);
		}
		end(pid);
		show_pages(at, PAGES, 1);
		_exit(0);
	}
	end(pid);
}

/* A child that never runs another program. */
static void vforks(void)
{
	char *at = area(PAGES);
	pid_t pid;

	fill_and_leave(at, PAGES, 3);
	pid = vfork();
	if (!pid) {
		memset(at, 1, 8);
		_exit(0);
	}
	end(pid);
	show(at[0]);
	show_pages(at + PAGE, 1, 3);
}

int main(int argc, char **argv)
{
	char path[4096];
	ssize_t length;

	if (argc == 2 && !strcmp(argv[1], "child")) {
		show_text(__func__, "the colour", getenv("COLOUR"));
		return 3;
	}
	hazard_start();
	length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	expect(length > 0 && length < 1000, "readlink: %m");
	path[length] = 0;
	self = path;
	programs();
	inherits();
	vforks();
	return 0;
}
