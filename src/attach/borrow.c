/* SPDX-License-Identifier: MIT */
/*
 * A borrowed thread is brought to a stop of the kind that it was in (trace.c) before it gets its
 * registers back: from there the kernel restarts the call that was interrupted.
 *
 * Calls use PTRACE_SYSCALL, not single steps or a breakpoint: those raise SIGTRAP, and with it
 * blocked the kernel would reset the program's handler.
 */
#include "attach/borrow.h"

#include <errno.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include "attach/remote.h"
#include "attach/restart.h"
#include "attach/wait.h"
#include "base/proc.h"

#define NICE_LEAST  (-20)
#define BEST_SUITED 3
/* For a call to be made, and a thread to be given back: there is no way out in between but the
 * program's end. */
#define CALL_MS 60000

bool trace_is_unfiltered(const struct trace *trace)
{
	char value[16];

	for (size_t i = 0; i < trace->count; i++) {
		errno = 0;
		if (proc_status_line(trace->threads[i].tid, "Seccomp", value, sizeof(value))
			    ? *value != '0'
			    : proc_is_short())
			return false;
	}
	return true;
}

/* How little a thread would notice of being borrowed: in a system call it loses no time; a call
 * with signals of its own, and dispatched calls, are better left alone. */
static int suitability(const struct trace *trace, pid_t tid)
{
	struct user_regs_struct registers;
	struct dispatch dispatch;
	uint64_t mask = 0;

	if (registers_get(tid, &registers))
		return -1;
	dispatch_get(tid, &dispatch);
	if (dispatch.mode)
		return 0;
	if ((long)registers.orig_rax < 0)
		return 1;
	if (ptrace(PTRACE_GETSIGMASK, tid, (void *)sizeof(mask), &mask) ||
	    mask != restart_blocked(trace->pid, tid))
		return 2;
	return BEST_SUITED;
}

static pid_t choose(const struct trace *trace)
{
	pid_t chosen = 0;
	int best = -1;

	for (size_t i = 0; i < trace->count && best < BEST_SUITED; i++) {
		int suits = suitability(trace, trace->threads[i].tid);

		if (suits > best) {
			best = suits;
			chosen = trace->threads[i].tid;
		}
	}
	return chosen;
}

int trace_borrow(struct trace *trace, pid_t tid)
{
	uint64_t all = ~0ull;
	int error;

	if (!tid)
		tid = choose(trace);
	if (!tid || !trace_find(trace, tid))
		return -ESRCH;
	error = remote_syscall(tid, &trace->syscall_address);
	error = error ?: registers_get(tid, &trace->registers);
	if (error)
		return error;
	dispatch_get(tid, &trace->dispatch);
	trace->call_mask = restart_blocked(trace->pid, tid);
	restart_sequence(tid, &trace->registers);
	if (ptrace(PTRACE_GETSIGMASK, tid, (void *)sizeof(all), &trace->signal_mask) ||
	    ptrace(PTRACE_SETOPTIONS, tid, NULL,
		   (void *)(TRACE_OPTIONS | PTRACE_O_EXITKILL)) ||
	    ptrace(PTRACE_SETSIGMASK, tid, (void *)sizeof(all), &all))
		return -errno;
	dispatch_suspend(tid, &trace->dispatch);
	/* For each call it must run: where many others want the CPU, that would take its turn each
	 * time. Only while it is ours, since what it starts would inherit it: our agent does.
	 * Without the right to, so be it. */
	trace->nice = getpriority(PRIO_PROCESS, (id_t)tid);
	setpriority(PRIO_PROCESS, (id_t)tid, NICE_LEAST);
	trace->borrowed = tid;
	return 0;
}

int trace_give_back(struct trace *trace)
{
	struct patience patience = patience_of(CALL_MS);
	pid_t tid = trace->borrowed;
	int error;

	trace->borrowed = 0;
	/* Fully masked, it takes no signal on its way to this stop. */
	if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) || ptrace(PTRACE_CONT, tid, NULL, NULL))
		return -ESRCH;
	error = wait_interrupted(trace, tid, &patience);
	setpriority(PRIO_PROCESS, (id_t)tid, trace->nice);
	dispatch_resume(tid, &trace->dispatch);
	if (!error && trace->call_mask != trace->signal_mask)
		restart_masked(trace->pid, tid, trace->call_mask, &trace->registers);
	error = error ?: registers_set(tid, &trace->registers);
	if (error)
		return error;
	if (ptrace(PTRACE_SETSIGMASK, tid, (void *)sizeof(trace->signal_mask),
		   &trace->signal_mask) ||
	    ptrace(PTRACE_SETOPTIONS, tid, NULL, (void *)TRACE_OPTIONS))
		return -errno;
	return 0;
}

/* Goes on to the next entry or exit of a system call. SIGSTOP cannot be masked: it is given to
 * the thread, whose process then counts as stopped while we go on with this thread. */
static int next_syscall_stop(struct trace *trace, pid_t tid, struct patience *patience)
{
	long signal = 0;
	int status, error;

	for (;;) {
		if (ptrace(PTRACE_SYSCALL, tid, NULL, (void *)signal))
			return -errno;
		error = wait_stop(trace, tid, patience, &status);
		if (error)
			return error;
		if (status == SYSCALL_STOP)
			return 0;
		signal = status >> 8 ? 0 : status;
		if (status >> 8 == EVENT_STOP && (status & 0xff) != SIGTRAP)
			trace->group_stopped = true;
	}
}

/* The kernel's ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK. */
static bool wants_restart(long result)
{
	return result <= -512 && result >= -516;
}

long trace_call_at(struct trace *trace, uint64_t address, long number, const uint64_t arguments[6])
{
	struct patience patience = patience_of(CALL_MS);
	struct user_regs_struct registers = trace->registers;
	pid_t tid = trace->borrowed;
	int error;

	registers.rip = address ? address : trace->syscall_address;
	registers.orig_rax = (unsigned long)-1; /* no restart of what was interrupted */
	registers.rax = (unsigned long)number;
	registers.rdi = arguments[0];
	registers.rsi = arguments[1];
	registers.rdx = arguments[2];
	registers.r10 = arguments[3];
	registers.r8 = arguments[4];
	registers.r9 = arguments[5];
	error = registers_set(tid, &registers);
	do {
		error = error ?: next_syscall_stop(trace, tid, &patience);
		error = error ?: next_syscall_stop(trace, tid, &patience);
		error = error ?: registers_get(tid, &registers);
		/* A SIGSTOP came in between (clone will not run with one pending): once that has
		 * been taken, the kernel makes the call again by itself. */
	} while (!error && wants_restart((long)registers.rax));
	return error ? error : (long)registers.rax;
}
