/* SPDX-License-Identifier: MIT */
/*
 * A stop here is PTRACE_SEIZE and PTRACE_INTERRUPT: no signal is sent, and the
 * thread stops inside the kernel's signal code (PTRACE_EVENT_STOP). From there the
 * kernel itself restarts an interrupted system call once the thread goes on with
 * the registers it had.
 */
#include "attach/trace.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "attach/borrow.h"
#include "attach/remote.h"
#include "attach/restart.h"
#include "attach/seize.h"
#include "attach/wait.h"
#include "base/array.h"
#include "base/clock.h"
#include "base/proc.h"

#define STUCK_MS     20	 /* a thread that waits in the kernel for so long is not waited for */
#define LAST_MS	     100 /* for those that are let go before they have stopped */
#define TOUCH_MS     1000
#define SLACK_NS     1ul     /* the kernel's 50000 would be added to each */
#define THREAD_NS    250000u /* of a stop's patience, for each thread, ... */
#define THREADS_MOST 4000u   /* ... so many at most: others wait for this */
/* The kernel's flags of a thread, as in /proc/PID/stat. */
#define PF_IO_WORKER   0x10u
#define PF_USER_WORKER 0x4000u

struct session {
	struct trace trace;
	pid_t skip, only; /* one of them; 0: none */
	trace_fn work;
	void *argument;
	int result;
};

/* A thread that the kernel made for the process, as io_uring does: it never goes to user space,
 * where it could make a call for us or change a mapping, so it is not stopped. */
static bool is_kernel_worker(pid_t pid, pid_t tid)
{
	char text[PROC_STAT];
	const char *flags = proc_field(proc_stat(pid, tid, text), 9);

	return flags && strtoul(flags, NULL, 10) & (PF_IO_WORKER | PF_USER_WORKER);
}

/* What the process's first thread gave to SYS_exit, if it has ended: the last field. */
static int exit_code(pid_t pid)
{
	char text[PROC_STAT];
	const char *stat = proc_stat(pid, pid, text);
	const char *last = stat && *stat == 'Z' ? strrchr(stat, ' ') : NULL;

	return last ? atoi(last) >> 8 & 0xff : 0;
}

static int add(struct trace *trace, pid_t tid)
{
	int error = array_grow((void **)&trace->threads, &trace->capacity, trace->count + 1,
			       sizeof(*trace->threads));
	struct tracee *at;

	if (error)
		return error;
	at = &trace->threads[trace_place(trace, tid)];
	memmove(at + 1, at, (size_t)(&trace->threads[trace->count++] - at) * sizeof(*at));
	*at = (struct tracee){.tid = tid};
	return 0;
}

static void remove_thread(struct trace *trace, struct tracee *thread)
{
	struct tracee *end = &trace->threads[trace->count--];

	memmove(thread, thread + 1, (size_t)(end - thread - 1) * sizeof(*thread));
}

/* 1: it will stop; 0: it is gone or going. */
static int interrupt(struct trace *trace, pid_t tid)
{
	int error = seize(tid, TRACE_OPTIONS);

	if (error)
		return error == -ESRCH || thread_dead(trace->pid, tid) ? 0 : error;
	/* Fails when it has died meanwhile: the wait finds out. */
	ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
	return 1;
}

/* Interrupts the threads that are new since the last pass; how many, or -errno. */
static int interrupt_new(struct trace *trace, pid_t skip)
{
	struct dirent *entry;
	char path[48];
	int fresh = 0, error;
	DIR *directory;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)trace->pid);
	directory = opendir(path);
	if (!directory)
		return errno == ENOENT ? -ESRCH : -errno;
	while ((entry = readdir(directory))) {
		pid_t tid = atoi(entry->d_name);

		if (tid <= 0 || tid == skip || trace_find(trace, tid) ||
		    is_kernel_worker(trace->pid, tid))
			continue;
		error = interrupt(trace, tid);
		if (error > 0) {
			fresh++;
			error = add(trace, tid);
		}
		if (error < 0) {
			fresh = error;
			break;
		}
	}
	closedir(directory);
	return fresh;
}

static int stop_all(struct trace *trace, pid_t skip)
{
	struct patience patience = patience_of(trace->timeout_ms);
	unsigned int paid = 0;
	int fresh, error;

	patience.hurry = true;
	patience.stuck = monotonic_ns() + STUCK_MS * 1000000ull;

	while ((fresh = interrupt_new(trace, skip)) > 0) {
		for (int i = 0; i < fresh && paid < THREADS_MOST; i++, paid++)
			patience.deadline += THREAD_NS;
		for (size_t i = 0; i < trace->count;) {
			struct tracee *thread = &trace->threads[i];

			error = thread->stopped ? 0
						: wait_interrupted(trace, thread->tid, &patience);
			if (error == -ESRCH) {
				remove_thread(trace, thread);
				continue;
			}
			if (error)
				return error;
			thread->stopped = true;
			i++;
		}
	}
	if (fresh < 0)
		return fresh;
	return trace->count ? 0 : -ESRCH;
}

/* A thread that was killed while it was stopped: reap it, or it stays a zombie of ours. */
static void bury(const struct trace *trace, pid_t tid)
{
	struct patience patience = patience_of(1000);
	int status;

	while (wait_next(trace, tid, &status) >= 0 && !(tid == trace->pid && trace->our_child)) {
		if (!wait_patiently(&patience))
			break;
	}
}

/* Also those that others were given up for: they have been interrupted, and only a thread that
 * stands still can be made to call again. */
static void let_go(struct trace *trace)
{
	struct patience patience = patience_of(LAST_MS);

	patience.hurry = true;
	patience.stuck = monotonic_ns();
	for (size_t i = 0; i < trace->count; i++) {
		struct tracee *thread = &trace->threads[i];

		if (!thread->stopped)
			thread->stopped = !wait_interrupted(trace, thread->tid, &patience);
		if (thread->stopped)
			restart_interrupted(trace->pid, thread->tid);
		if (thread->stopped && ptrace(PTRACE_DETACH, thread->tid, NULL, NULL))
			bury(trace, thread->tid);
	}
	free(trace->threads);
}

static void *run_session(void *argument)
{
	struct session *session = argument;
	struct trace *trace = &session->trace;

	trace->our_child = proc_parent(trace->pid) == getpid();
	prctl(PR_SET_TIMERSLACK, SLACK_NS);
	session->result =
		session->only ? trace_adopt(trace, session->only) : stop_all(trace, session->skip);
	if (!session->result && session->work)
		session->result = session->work(trace, session->argument);
	if (trace->borrowed && trace_give_back(trace) && !session->result)
		session->result = -ESRCH;
	let_go(trace);
	return NULL;
}

/* One at a time: the pager has two threads that ask for them. */
static pthread_mutex_t one_session = PTHREAD_MUTEX_INITIALIZER;

bool trace_pause(bool wait)
{
	if (wait)
		return !pthread_mutex_lock(&one_session);
	return !pthread_mutex_trylock(&one_session);
}

void trace_go_on(void)
{
	pthread_mutex_unlock(&one_session);
}

static int hold_session(struct session *session)
{
	sigset_t all, old;
	pthread_t thread;
	int error;

	pthread_mutex_lock(&one_session);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&thread, NULL, run_session, session);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!error)
		seize_join(thread);
	pthread_mutex_unlock(&one_session);
	if (error)
		return -error;
	return session->result;
}

static struct session session_of(pid_t pid, pid_t skip, int timeout_ms, trace_fn work,
				 void *argument)
{
	return (struct session){
		.trace = {.pid = pid, .timeout_ms = timeout_ms},
		.skip = skip,
		.work = work,
		.argument = argument,
	};
}

int trace_session(pid_t pid, pid_t skip, int timeout_ms, trace_fn work, void *argument)
{
	struct session session = session_of(pid, skip, timeout_ms, work, argument);

	return hold_session(&session);
}

int trace_within(pid_t pid, pid_t skip, int timeout_ms, trace_fn work, void *argument)
{
	struct session session = session_of(pid, skip, timeout_ms, work, argument);

	run_session(&session);
	return session.result;
}

void trace_touch(pid_t pid, pid_t tid)
{
	struct session session = {
		.trace = {.pid = pid, .timeout_ms = TOUCH_MS},
		.only = tid,
	};

	hold_session(&session);
}

int trace_adopt(struct trace *trace, pid_t tid)
{
	struct patience patience = patience_of(trace->timeout_ms);
	int error;

	if (trace_find(trace, tid))
		return 0;
	error = interrupt(trace, tid);
	if (error <= 0)
		return error;
	error = wait_interrupted(trace, tid, &patience);
	if (!error)
		error = add(trace, tid);
	if (!error)
		trace_find(trace, tid)->stopped = true;
	return error == -ESRCH ? 0 : error;
}

int trace_exit(struct trace *trace, pid_t tid)
{
	struct patience patience = patience_of(trace->timeout_ms);
	struct tracee *thread = trace_find(trace, tid);
	struct user_regs_struct registers;
	int status, error;
	uint64_t address = trace->syscall_address;

	if (!thread)
		return 0;
	error = address ? 0 : remote_syscall(tid, &address);
	error = error ?: registers_get(tid, &registers);
	if (error)
		return error;
	registers.rip = address;
	registers.orig_rax = (unsigned long)-1;
	registers.rax = SYS_exit;
	/* The kernel reports the last thread's code as the process's: that must not be ours. */
	registers.rdi = (unsigned long)exit_code(trace->pid);
	error = registers_set(tid, &registers);
	while (!error) {
		if (ptrace(PTRACE_CONT, tid, NULL, NULL))
			error = -ESRCH;
		error = error ?: wait_stop(trace, tid, &patience, &status);
	}
	if (error != -ESRCH)
		return error;
	remove_thread(trace, thread);
	return 0;
}

struct newcomer {
	const struct trace *trace;
	pid_t tid;
};

static bool is_newcomer(void *argument, int tid)
{
	struct newcomer *newcomer = argument;
	const struct trace *trace = newcomer->trace;

	if (trace_find(trace, tid) || thread_dead(trace->pid, tid) ||
	    is_kernel_worker(trace->pid, tid))
		return false;
	newcomer->tid = tid;
	return true;
}

pid_t trace_newcomer(const struct trace *trace)
{
	struct newcomer newcomer = {.trace = trace};
	int tasks = proc_open_threads(trace->pid);

	if (tasks < 0)
		return 0;
	proc_each_number(tasks, is_newcomer, &newcomer);
	close(tasks);
	return newcomer.tid;
}

int trace_run(struct trace *trace, pid_t tid, bool (*reached)(void *argument), void *argument)
{
	struct patience patience = patience_of(trace->timeout_ms);
	int error = seize(tid, TRACE_OPTIONS);

	if (!error && ptrace(PTRACE_INTERRUPT, tid, NULL, NULL))
		error = -errno;
	error = error ?: wait_interrupted(trace, tid, &patience);
	if (!error && ptrace(PTRACE_CONT, tid, NULL, NULL))
		error = -ESRCH;
	while (!error && !reached(argument)) {
		int status, got = wait_next(trace, tid, &status);

		if (got > 0)
			ptrace(PTRACE_CONT, tid, NULL, NULL);
		if (got < 0)
			error = got;
		else if (!wait_patiently(&patience))
			error = -ETIMEDOUT;
	}
	if (error)
		return error;
	ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
	error = wait_interrupted(trace, tid, &patience);
	if (!error && ptrace(PTRACE_DETACH, tid, NULL, NULL))
		error = -ESRCH;
	return error;
}
