/* SPDX-License-Identifier: MIT */
/*
 * Description: a program that runs as root gives its rights away while its memory is swapped. It
 * keeps working, and no thread in it, of whatever origin, keeps a right.
 */
#include "hazard.h"
#include <dirent.h>
#include <sys/stat.h>

#define PAGES 4096

static void check_thread(const char *tid)
{
	char path[64], line[256];
	FILE *status;

	snprintf(path, sizeof path, "/proc/self/task/%s/status", tid);
	status = fopen(path, "r");
	if (!status)
		return;
	while (fgets(line, sizeof line, status)) {
		unsigned long long rights;

		if (sscanf(line, "CapEff: %llx", &rights) == 1 ||
		    sscanf(line, "CapPrm: %llx", &rights) == 1)
			expect(!rights, "thread %s keeps rights: %s", tid, line);
	}
	fclose(status);
}

int main(void)
{
	char *at = anonymous(PAGES);
	struct dirent *entry;
	DIR *tasks;

	hazard_start();
	if (getuid() != 0)
		skip("not root");
	fill(at, PAGES, 4);
	evict_most(at, PAGES);
	expect(!setgid(65534), "setgid: %m");
	expect(!setuid(65534), "setuid: %m");
	check(at, PAGES, 4, "after setuid");
	fill(at, PAGES, 5);
	for (int i = 0; i < 5; i++) {
		press();
		pause_ms(200);
	}
	check(at, PAGES, 5, "written after setuid");
	expect(setuid(0) != 0, "it became root again");
	tasks = opendir("/proc/self/task");
	if (!tasks)
		return 0; /* not dumpable any more: the kernel hides it */
	while ((entry = readdir(tasks)))
		if (entry->d_name[0] != '.')
			check_thread(entry->d_name);
	closedir(tasks);
	return 0;
}
