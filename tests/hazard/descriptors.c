/* SPDX-License-Identifier: MIT */
/*
 * Description: a swapped program finds no descriptor that is not its own, closes all of them,
 * puts others in every place, and gets the lowest numbers, as always; waiting for any child says
 * that there is none.
 */
#include "hazard.h"
#include <dirent.h>

#define PAGES 4096

int main(void)
{
	char *at = anonymous(PAGES);
	struct dirent *entry;
	DIR *folder;
	int fd;

	hazard_start();
	syscall(SYS_close_range, 3, ~0u, 0);
	fill(at, PAGES, 26);
	evict_most(at, PAGES);
	folder = opendir("/proc/self/fd");
	expect(folder, "/proc/self/fd: %m");
	while ((entry = readdir(folder)))
		expect(entry->d_name[0] == '.' || atoi(entry->d_name) <= dirfd(folder),
		       "descriptor %s is not the program's", entry->d_name);
	closedir(folder);
	fd = open("/dev/null", O_RDWR);
	expect(fd == 3, "the lowest descriptor is %d", fd);
	for (int i = 4; i < 200; i++)
		expect(dup2(fd, i) == i, "dup2 to %d: %m", i);
	check(at, PAGES, 26, "with all places taken");
	syscall(SYS_close_range, 3, ~0u, 0);
	for (int i = 0; i < 3; i++)
		press();
	check(at, PAGES, 26, "with all places closed");
	expect(waitpid(-1, NULL, __WALL) == -1 && errno == ECHILD,
	       "there is a child that is not its");
	return 0;
}
