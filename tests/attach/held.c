/* SPDX-License-Identifier: MIT */
#include "held.h"

#include "../hazard/silent_fuse.h"

static void hold(int ready, int end)
{
	struct held held = hold_in_exec(close_in_exec);
	char byte;

	expect(write(ready, "x", 1) == 1, "write: %m");
	close(ready);
	expect(read(end, &byte, 1) == 0, "read: %m");
	let_exec_go_on(held);
	_exit(0);
}

static int end; /* closed: it is over */

pid_t held_start(void)
{
	int ready[2], over[2];
	pid_t holder;
	char byte;

	expect(!pipe(ready) && !pipe2(over, O_CLOEXEC), "pipe: %m");
	holder = fork();
	expect(holder >= 0, "fork: %m");
	if (!holder) {
		close(over[1]);
		hold(ready[1], over[0]);
	}
	close(ready[1]);
	close(over[0]);
	end = over[1];
	if (read(ready[0], &byte, 1) == 1)
		return holder;
	held_end(holder);
	return 0;
}

void held_end(pid_t holder)
{
	int status;

	close(end);
	waitpid(holder, &status, 0);
	expect(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77),
	       "who holds a process in exec: %x", status);
}
