/* SPDX-License-Identifier: MIT */
/* Description: a static program is attached, and pages of its bss go out and come back. */
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <signal.h>
#include <unistd.h>
#include "harness.h"

int main(int count, char **arguments)
{
	char message[MESSAGE_BYTES], text[64] = "";
	int input[2], output[2];
	struct pager pager;
	unsigned int moved = 0;
	void *memory;
	pid_t pid;

	check(count == 2, "usage: test_static PROGRAM");
	need_rights();
	check(!pipe(input) && !pipe(output), "pipe");
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(input[0], 0);
		dup2(output[1], 1);
		close(input[1]);
		execl(arguments[1], arguments[1], NULL);
		_exit(127);
	}
	close(input[0]);
	check(read(output[0], text, sizeof(text) - 1) > 0 && sscanf(text, "%p", &memory) == 1,
	      "what it says: %s", text);
	/* Whole mappings cannot be told apart here: pages well inside the array. */
	board->memory = ((uintptr_t)memory + PAGE - 1) & ~(PAGE - 1);
	for (int i = 0; i < 10; i++) {
		check(!pager_attach(&pager, pid, message), "%s", message);
		for (unsigned int at = 0; at < 3 * CHANNEL_BATCH; at += CHANNEL_BATCH)
			moved += pager_evict(&pager, at, CHANNEL_BATCH);
		let_pass(10);
		check(!pager_leave(&pager, message), "%s", message);
	}
	check(moved > 1000, "only %u pages moved", moved);
	close(input[1]);
	check(wait_program(pid, 20) == 0, "the program found wrong bytes");
	return 0;
}
