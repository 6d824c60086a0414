/* SPDX-License-Identifier: MIT */
/*
 * Description: a swapped program calls exec, with arguments that stand in swapped pages, and once
 * from a thread that is not its first. The next program starts empty and is right.
 */
#include "hazard.h"

#define PAGES 4096
#define LAST  4

static char **arguments;

static void *from_thread(void *argument)
{
	execv("/proc/self/exe", arguments);
	fail("exec from a thread: %m");
	return argument;
}

int main(int argc, char **argv)
{
	int turn = argc > 1 ? atoi(argv[1]) : 0;
	char *at = anonymous(PAGES), *page = anonymous(2);
	pthread_t thread;

	hazard_start();
	expect(turn == 0 || (argc == 4 && strlen(argv[2]) == 2000 && argv[2][1999] == 'x' &&
			     !strcmp(argv[3], "last")),
	       "arguments were lost on the way");
	check_zero(at, PAGES, "a new program's memory");
	fill(at, PAGES, turn);
	if (turn == LAST)
		return 0;
	arguments = (char **)page;
	arguments[0] = strcpy(page + PAGE, "exec_midway");
	arguments[1] = page + 512;
	sprintf(arguments[1], "%d", turn + 1);
	arguments[2] = page + 1024;
	memset(arguments[2], 'x', 2000);
	arguments[3] = strcpy(page + PAGE + 100, "last");
	evict_most(at, PAGES);
	check(at, PAGES, turn, "before exec");
	evict(page, 2);
	if (turn % 2) {
		pthread_create(&thread, NULL, from_thread, NULL);
		pthread_join(thread, NULL);
	}
	execv("/proc/self/exe", arguments);
	fail("exec: %m");
}
