/* SPDX-License-Identifier: MIT */
/*
 * Description: a program calls exec and has a file open that exec closes, on a file system that
 * never answers to that. Whoever would look at its memory waits for good. Other processes are paged
 * all the same.
 */
#include "silent_fuse.h"

int main(void)
{
	hazard_start();
	test_held_exec(close_in_exec);
	return 0;
}
