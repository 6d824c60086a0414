/* SPDX-License-Identifier: MIT */
/*
 * Description: unshare and setns of mount, UTS and network namespaces and a chdir while memory is
 * swapped: a helper thread in the process that shared its file system context (CLONE_FS)
 * would make setns fail.
 */
#include "hazard.h"
#include <sched.h>

#define PAGES 4096

int main(void)
{
	char *at = anonymous(PAGES), here[512];
	int namespace;

	hazard_start();
	if (getuid() != 0)
		skip("not root");
	fill(at, PAGES, 6);
	evict_most(at, PAGES);
	namespace = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	expect(namespace >= 0, "/proc/self/ns/mnt: %m");
	if (unshare(CLONE_NEWNS | CLONE_NEWUTS))
		skip("unshare: %m");
	expect(!setns(namespace, CLONE_NEWNS), "setns: %m");
	expect(!unshare(CLONE_FS), "unshare(CLONE_FS): %m");
	expect(!unshare(CLONE_FILES), "unshare(CLONE_FILES): %m");
	expect(!chdir("/"), "chdir: %m");
	expect(getcwd(here, sizeof here) && !strcmp(here, "/"), "getcwd");
	close(namespace);
	check(at, PAGES, 6, "after namespaces");
	for (int i = 0; i < 3; i++)
		press();
	check(at, PAGES, 6, "later");
	return 0;
}
