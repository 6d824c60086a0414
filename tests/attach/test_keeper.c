/* SPDX-License-Identifier: MIT */
/*
 * Description: when the owner is killed, the keeper kills the attached program and a child that
 * still shares its memory, but not a child that has called exec; it then ends itself
 * and holds no pipe open. When the owner stops it in order, nobody dies, and it ends, also when it
 * gets to that only after the owner has gone. A process that stands in exec for good does not hold
 * it up.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "attach/keeper.h"
#include "base/kernel.h"
#include "base/proc.h"
#include "harness.h"
#include "held.h"

static pid_t program_pid;

static int program(void)
{
	pid_t relative;

	board->memory = (uintptr_t)mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	relative = fork();
	if (!relative) {
		execlp("sleep", "sleep", "1000", NULL);
		_exit(127);
	}
	/* After the fork: pages that were ever shared do not move. */
	memset((void *)board->memory, 7, PAGES * PAGE);
	board->value = relative;
	board->ready = 1;
	while (!board->stop)
		usleep(1000);
	relative = fork();
	if (!relative) {
		board->counter = getpid();
		for (;;)
			pause();
	}
	for (;;)
		pause();
}

static bool has_forked(void *unused)
{
	(void)unused;
	return board->counter != 0;
}

static bool has_moved(void *unused)
{
	(void)unused;
	return board->descriptor[0] != 0;
}

enum end { KILLED, IN_ORDER, KEEPERS_LATE };

static pid_t keeper_pids[KEEPERS];

static bool note_keeper(void *count, pid_t pid)
{
	keeper_pids[(*(unsigned int *)count)++] = pid;
	return *(unsigned int *)count == KEEPERS;
}

/* They stand until their owner is no more. */
static void make_late(void)
{
	unsigned int count = 0;

	proc_each_child(getpid(), note_keeper, &count);
	check(count == KEEPERS, "%u keepers", count);
	for (unsigned int i = 0; i < count; i++)
		kill(keeper_pids[i], SIGSTOP);
	if (fork())
		return;
	let_pass(1000);
	for (unsigned int i = 0; i < count; i++)
		kill(keeper_pids[i], SIGCONT);
	_exit(0);
}

/* The owner: attaches, moves pages out, and is killed there. */
static int owner(enum end end)
{
	char message[MESSAGE_BYTES];
	struct keepers *keepers;
	struct pager pager;

	if (keepers_start(&keepers))
		return 1;
	if (pager_attach(&pager, program_pid, message)) {
		fprintf(stderr, "%s\n", message);
		return 1;
	}
	if (pager_evict(&pager, 0, CHANNEL_BATCH) < CHANNEL_BATCH / 2)
		return 1;
	board->stop = 1;
	wait_until(has_forked, NULL, "the fork");
	board->descriptor[0] = 1;
	if (end == KILLED) {
		for (;;)
			pause();
	}
	/* To bring the forked child's pages back is the pager's; here only the keeper counts. */
	if (pager_leave(&pager, message))
		return 1;
	if (end == KEEPERS_LATE)
		make_late();
	keepers_stop(keepers);
	return 0;
}

static bool is_gone(void *pid)
{
	char state = state_of(*(pid_t *)pid);

	return !state || state == 'Z';
}

static void with_owner(enum end end)
{
	int ends[2], status;
	char byte;
	pid_t owner_pid, relative, child;

	program_pid = start_program(program);
	relative = (pid_t)board->value;
	check(!pipe(ends), "pipe");
	owner_pid = fork();
	if (!owner_pid)
		_exit(owner(end));
	close(ends[1]);
	wait_until(has_moved, NULL, "the owner");
	child = (pid_t)board->counter;
	if (end == KILLED) {
		kill(owner_pid, SIGKILL);
		status = wait_program(owner_pid, 20);
		check(WIFSIGNALED(status), "the owner: %x", status);
		status = wait_program(program_pid, 20);
		check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the program: %x",
		      status);
		wait_until(is_gone, &child, "the death of its child");
	} else {
		check(wait_program(owner_pid, 20) == 0, "the owner");
		let_pass(50);
		check(!is_gone(&program_pid) && !is_gone(&child), "somebody died");
		kill(child, SIGKILL);
		end_program(program_pid);
	}
	/* End of file: the keeper has gone too. */
	check(read(ends[0], &byte, 1) == 0, "the pipe");
	close(ends[0]);
	check(!is_gone(&relative), "the child that had called exec died");
	kill(relative, SIGKILL);
}

static void beside_held(void)
{
	pid_t holder = held_start();

	if (!holder)
		return;
	with_owner(KILLED);
	held_end(holder);
}

int main(void)
{
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	need_rights();
	with_owner(KILLED);
	beside_held();
	with_owner(IN_ORDER);
	with_owner(KEEPERS_LATE);
	return 0;
}
