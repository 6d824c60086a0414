/* SPDX-License-Identifier: MIT */
/*
 * Description: a program makes itself undumpable while it is swapped, so that an owner without
 * rights may not read its memory any more; and sets small limits on itself.
 */
#include "hazard.h"
#include <sys/prctl.h>
#include <sys/resource.h>

#define PAGES 4096

int main(void)
{
	struct rlimit files = {3, 3}, processes = {1, 1}, size = {0, 0};
	char *at = anonymous(PAGES);

	hazard_start();
	fill(at, PAGES, 24);
	evict_most(at, PAGES);
	expect(!prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "PR_SET_DUMPABLE: %m");
	expect(!setrlimit(RLIMIT_NOFILE, &files), "RLIMIT_NOFILE: %m");
	expect(!setrlimit(RLIMIT_NPROC, &processes), "RLIMIT_NPROC: %m");
	expect(!setrlimit(RLIMIT_FSIZE, &size), "RLIMIT_FSIZE: %m");
	check(at, PAGES, 24, "after the limits");
	fill(at, PAGES, 25);
	for (int i = 0; i < 5; i++) {
		/* press() alone: pagemap cannot be opened any more */
		press();
		pause_ms(100);
	}
	check(at, PAGES, 25, "later");
	return 0;
}
