/* SPDX-License-Identifier: MIT */
/*
 * Description: other processes read a swapped program's arguments and environment, as ps does: they
 * are there, after much else has been used.
 */
#include "hazard.h"

static void look(pid_t pid, const char *file, const char *text)
{
	static char bytes[1 << 16];
	char path[64];
	ssize_t n, total = 0;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
	fd = open(path, O_RDONLY);
	expect(fd >= 0, "%s: %m", path);
	while ((n = read(fd, bytes + total, sizeof bytes - 1 - total)) > 0)
		total += n;
	close(fd);
	expect(n == 0, "%s: %m", path);
	expect(memmem(bytes, total, text, strlen(text)), "%s lacks '%s' (%zd bytes)", path, text,
	       total);
}

int main(int argc, char **argv)
{
	pid_t pid;

	hazard_start();
	if (argc == 1) {
		setenv("HAZARD_MARK", "a-mark-in-the-environment", 1);
		execl("/proc/self/exe", argv[0], "an-argument-to-be-seen", (char *)NULL);
		fail("exec: %m");
	}
	/* A reader from before: it does not share the memory. */
	for (int i = 0; i < 6; i++)
		press();
	pid = getpid();
	look(pid, "cmdline", "an-argument-to-be-seen");
	look(pid, "environ", "HAZARD_MARK=a-mark-in-the-environment");
	for (int i = 0; i < 3; i++)
		press();
	{
		char command[128];

		snprintf(command, sizeof command,
			 "tr '\\0' ' ' < /proc/%d/cmdline | grep -q an-argument-to-be-seen", pid);
		expect(system(command) == 0, "another process does not see the arguments");
	}
	return 0;
}
