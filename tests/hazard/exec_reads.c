/* SPDX-License-Identifier: MIT */
/*
 * Description: a thread calls exec with a program on a file system that never gives it, so that no
 * thread of its process can be traced, while another one uses more and more memory. Other processes
 * are paged all the same.
 */
#include "silent_fuse.h"

static void *call_exec(void *argument)
{
	execl(FOLDER "/file", "file", NULL);
	return argument;
}

static void read_in_exec(void)
{
	pthread_t thread;
	char *at;

	expect(!pthread_create(&thread, NULL, call_exec, NULL), "pthread_create");
	at = anonymous(HELD_PAGES);
	fill(at, HELD_PAGES, 1);
	pthread_join(thread, NULL);
	check(at, HELD_PAGES, 1, "the memory of who did not come through exec");
	_exit(0);
}

int main(void)
{
	hazard_start();
	test_held_exec(read_in_exec);
	return 0;
}
