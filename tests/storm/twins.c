/* SPDX-License-Identifier: MIT */
/*
 * A second process in the same memory (CLONE_VM, no thread of the program): it goes on as the
 * worker, whose thread waits for it and lends it its thread-local memory; the other threads go on.
 */
#include "storm.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK_BYTES (4ul << 20)

struct twin {
	struct worker *worker;
	sigset_t mask;
};

static int twin_main(void *argument)
{
	static void (*const steps[])(struct worker *) = {
		op_map,	      op_map_fixed, op_unmap,	   op_remap,	     op_remap_row,
		op_remap_row, op_remap_row, op_remap_part, op_remap_several, op_advise,
		op_guard,     op_shm,	    op_refused,	   op_protect,	     op_write,
		op_poke,      op_check,	    op_check,	   op_copy,	     op_common,
		op_vm_read,   op_pipe,	    op_remap_part,
	};
	struct twin *twin = argument;
	struct worker *worker = twin->worker;
	unsigned int count = 20 + random_below(worker, 100);

	sigprocmask(SIG_SETMASK, &twin->mask, NULL);
	for (unsigned int i = 0; i < count && !atomic_load(&shared->stop); i++) {
		storm_beat(worker);
		if (one_in(worker, 60))
			op_fork(worker);
		else
			steps[random_below(worker, sizeof steps / sizeof steps[0])](worker);
	}
	children_reap(worker, true);
	_exit(0);
}

/* Nothing of the worker's thread runs meanwhile: not even errno is its own. */
static int run(struct twin *twin, char *stack)
{
	int flags = CLONE_VM | SIGCHLD, status = -1;
	sigset_t all;
	pid_t pid;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &twin->mask);
	pid = clone(twin_main, stack + STACK_BYTES, flags, twin);
	if (pid > 0 && syscall(SYS_wait4, pid, &status, 0, NULL) != pid)
		status = -1;
	pthread_sigmask(SIG_SETMASK, &twin->mask, NULL);
	return status;
}

void op_twin(struct worker *worker)
{
	struct twin twin = {.worker = worker};
	char *stack;
	int status;

	stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (stack == MAP_FAILED)
		storm_fail(worker, "mmap of a stack: %m");
	children_reap(worker, true);
	status = run(&twin, stack);
	if (status)
		storm_fail(worker, "a process in the same memory ended with %x", status);
	munmap(stack, STACK_BYTES);
}
