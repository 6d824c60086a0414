/* SPDX-License-Identifier: MIT */
/*
 * A stop here is PTRACE_SEIZE and PTRACE_INTERRUPT: no signal is sent, and the
 * thread stops inside the kernel's signal code (PTRACE_EVENT_STOP). From there the
 * kernel itself restarts an interrupted system call once the thread goes on with
 * the registers it had. trace_give_back therefore brings the borrowed thread to
 * such a stop again before it restores them.
 *
 * The calls use PTRACE_SYSCALL, not single steps or a breakpoint: those raise
 * SIGTRAP, and with it blocked the kernel would reset the program's handler.
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
#include "attach/remote.h"
#include "attach/restart.h"
#include "base/array.h"
#include "base/clock.h"
#include "base/proc.h"

#define SYSCALL_STOP (SIGTRAP | 0x80)
#define EVENT_STOP   128 /* PTRACE_EVENT_STOP: glibc's and the kernel's headers do not mix */
#define OPTIONS	     PTRACE_O_TRACESYSGOOD
#define NICE_LEAST   (-20)
#define SLEEP_LEAST  20000l /* ns, of a wait's first turns */
#define SLEEP_MOST   1000000l
#define BEST_SUITED  3
#define STUCK_MS     20	 /* a thread that waits in the kernel for so long is not waited for */
#define LAST_MS	     100 /* for those that are let go before they have stopped */
#define TOUCH_MS     1000
#define LONGER_TURNS 16u     /* after so many it sleeps longer */
#define SLACK_NS     1ul     /* the kernel's 50000 would be added to each */
#define THREAD_NS    250000u /* of a stop's patience, for each thread, ... */
#define THREADS_MOST 4000u   /* ... so many at most: others wait for this */
#define DEAD_TURNS   64u     /* then a thread that is waited for may have ended unseen */
/* For a call to be made, and a thread to be given back: there is no way out in between but the
 * program's end. */
#define CALL_MS 60000
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

/* A bounded wait. What we wait for often needs this very CPU, so it sleeps from the start; a thread
 * that yields instead comes after all others for it, since Linux 6.18 for long. */
struct patience {
	unsigned int turns;
	uint64_t deadline;
	bool hurry; /* while threads stand still: none that waits in the kernel is waited for */
	uint64_t stuck;
};

static struct patience patience_of(int milliseconds)
{
	return (struct patience){.deadline = monotonic_ns() + milliseconds * 1000000ull};
}

/* False when the time is over. */
static bool patience_wait(struct patience *patience)
{
	struct timespec sleep = {0, SLEEP_LEAST};

	if (monotonic_ns() > patience->deadline)
		return false;
	sleep.tv_nsec *= 1 + patience->turns++ / LONGER_TURNS;
	if (sleep.tv_nsec > SLEEP_MOST)
		sleep.tv_nsec = SLEEP_MOST;
	nanosleep(&sleep, NULL);
	return true;
}

bool thread_dead(pid_t pid, pid_t tid)
{
	char text[PROC_STAT];
	const char *stat = proc_stat(pid, tid, text);

	return !stat || *stat == 'Z' || *stat == 'X';
}

/* Asleep where no stop reaches it: in vfork until the child has ended, or at a device. */
static bool is_stuck(pid_t pid, pid_t tid)
{
	char text[PROC_STAT];
	const char *stat = proc_stat(pid, tid, text);

	return stat && *stat == 'D';
}

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

/*
 * 1 and the status of a thread that has stopped; 0: not yet; -ESRCH: it has exited.
 * A thread that we trace must be reaped by us, but not our own child: its exit
 * status is for those who run it.
 */
static int next_stop(const struct trace *trace, pid_t tid, int *status)
{
	const int options = WNOHANG | __WALL | __WNOTHREAD;
	siginfo_t info = {0};

	if (waitid(P_PID, (id_t)tid, &info, WSTOPPED | WEXITED | WNOWAIT | options))
		return errno == EINTR ? 0 : -ESRCH;
	if (!info.si_pid)
		return 0;
	if (info.si_code == CLD_TRAPPED || info.si_code == CLD_STOPPED) {
		*status = info.si_status;
		waitid(P_PID, (id_t)tid, &info, WSTOPPED | options);
		return 1;
	}
	if (tid != trace->pid || !trace->our_child)
		waitid(P_PID, (id_t)tid, &info, WEXITED | options);
	return -ESRCH;
}

static int wait_stop(const struct trace *trace, pid_t tid, struct patience *patience, int *status)
{
	for (;;) {
		int got = next_stop(trace, tid, status);

		if (got)
			return got < 0 ? got : 0;
		/* A leader that left before its threads is not reported to anybody. */
		if (patience->turns > DEAD_TURNS && thread_dead(trace->pid, tid))
			return -ESRCH;
		if (patience->hurry && monotonic_ns() > patience->stuck &&
		    is_stuck(trace->pid, tid))
			return -ETIMEDOUT;
		if (!patience_wait(patience))
			return -ETIMEDOUT;
	}
}

/* Waits for the stop that we asked for; a signal that comes first is the thread's own. */
static int wait_interrupted(struct trace *trace, pid_t tid, struct patience *patience)
{
	int status, error;

	for (;;) {
		error = wait_stop(trace, tid, patience, &status);
		if (error)
			return error;
		if (status >> 8 == EVENT_STOP) {
			trace->group_stopped |= (status & 0xff) != SIGTRAP;
			return 0;
		}
		if (ptrace(PTRACE_CONT, tid, NULL,
			   (void *)(long)(status == SYSCALL_STOP || status >> 8 ? 0 : status)))
			return -ESRCH;
	}
}

/* Where the thread is among threads[], or belongs. */
static size_t place_of(const struct trace *trace, pid_t tid)
{
	size_t low = 0, high = trace->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (trace->threads[middle].tid < tid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct tracee *find(const struct trace *trace, pid_t tid)
{
	size_t at = place_of(trace, tid);

	return at < trace->count && trace->threads[at].tid == tid ? &trace->threads[at] : NULL;
}

static int add(struct trace *trace, pid_t tid)
{
	int error = array_grow((void **)&trace->threads, &trace->capacity, trace->count + 1,
			       sizeof(*trace->threads));
	struct tracee *at;

	if (error)
		return error;
	at = &trace->threads[place_of(trace, tid)];
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
	if (ptrace(PTRACE_SEIZE, tid, NULL, (void *)OPTIONS)) {
		if (errno == ESRCH || thread_dead(trace->pid, tid))
			return 0;
		return -errno;
	}
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

		if (tid <= 0 || tid == skip || find(trace, tid) ||
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

	while (next_stop(trace, tid, &status) >= 0 && !(tid == trace->pid && trace->our_child)) {
		if (!patience_wait(&patience))
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

static int hold_session(struct session *session)
{
	struct trace *trace = &session->trace;
	sigset_t all, old;
	pthread_t thread;
	int error;

	trace->our_child = proc_parent(trace->pid) == getpid();
	pthread_mutex_lock(&one_session);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&thread, NULL, run_session, session);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!error)
		pthread_join(thread, NULL);
	pthread_mutex_unlock(&one_session);
	if (error)
		return -error;
	return session->result;
}

int trace_session(pid_t pid, pid_t skip, int timeout_ms, trace_fn work, void *argument)
{
	struct session session = {
		.trace = {.pid = pid, .timeout_ms = timeout_ms},
		.skip = skip,
		.work = work,
		.argument = argument,
	};

	return hold_session(&session);
}

void trace_touch(pid_t pid, pid_t tid)
{
	struct session session = {
		.trace = {.pid = pid, .timeout_ms = TOUCH_MS},
		.only = tid,
	};

	hold_session(&session);
}

bool trace_is_unfiltered(const struct trace *trace)
{
	for (size_t i = 0; i < trace->count; i++) {
		if (proc_status_number(trace->pid, trace->threads[i].tid, "Seccomp"))
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
	if (!tid || !find(trace, tid))
		return -ESRCH;
	error = remote_syscall(tid, &trace->syscall_address);
	error = error ?: registers_get(tid, &trace->registers);
	if (error)
		return error;
	dispatch_get(tid, &trace->dispatch);
	trace->call_mask = restart_blocked(trace->pid, tid);
	restart_sequence(tid, &trace->registers);
	if (ptrace(PTRACE_GETSIGMASK, tid, (void *)sizeof(all), &trace->signal_mask) ||
	    ptrace(PTRACE_SETOPTIONS, tid, NULL, (void *)(OPTIONS | PTRACE_O_EXITKILL)) ||
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
	    ptrace(PTRACE_SETOPTIONS, tid, NULL, (void *)OPTIONS))
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

int trace_adopt(struct trace *trace, pid_t tid)
{
	struct patience patience = patience_of(trace->timeout_ms);
	int error;

	if (find(trace, tid))
		return 0;
	error = interrupt(trace, tid);
	if (error <= 0)
		return error;
	error = wait_interrupted(trace, tid, &patience);
	if (!error)
		error = add(trace, tid);
	if (!error)
		find(trace, tid)->stopped = true;
	return error == -ESRCH ? 0 : error;
}

int trace_exit(struct trace *trace, pid_t tid)
{
	struct patience patience = patience_of(trace->timeout_ms);
	struct tracee *thread = find(trace, tid);
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

pid_t trace_newcomer(const struct trace *trace)
{
	struct dirent *entry;
	char path[48];
	DIR *directory;
	pid_t found = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)trace->pid);
	directory = opendir(path);
	while (directory && !found && (entry = readdir(directory))) {
		pid_t tid = atoi(entry->d_name);

		if (tid > 0 && !find(trace, tid) && !thread_dead(trace->pid, tid) &&
		    !is_kernel_worker(trace->pid, tid))
			found = tid;
	}
	if (directory)
		closedir(directory);
	return found;
}

int trace_run(struct trace *trace, pid_t tid, bool (*reached)(void *argument), void *argument)
{
	struct patience patience = patience_of(trace->timeout_ms);
	int error;

	if (ptrace(PTRACE_SEIZE, tid, NULL, (void *)OPTIONS) ||
	    ptrace(PTRACE_INTERRUPT, tid, NULL, NULL))
		return -errno;
	error = wait_interrupted(trace, tid, &patience);
	if (!error && ptrace(PTRACE_CONT, tid, NULL, NULL))
		error = -ESRCH;
	while (!error && !reached(argument)) {
		int status, got = next_stop(trace, tid, &status);

		if (got > 0)
			ptrace(PTRACE_CONT, tid, NULL, NULL);
		if (got < 0)
			error = got;
		else if (!patience_wait(&patience))
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
