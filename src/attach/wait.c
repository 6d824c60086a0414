/* SPDX-License-Identifier: MIT */
#include "attach/wait.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include "base/clock.h"
#include "base/proc.h"

#define SLEEP_LEAST  20000l /* ns, of a wait's first turns */
#define SLEEP_MOST   1000000l
#define LONGER_TURNS 16u /* after so many it sleeps longer */
#define DEAD_TURNS   64u /* then a thread that is waited for may have ended unseen */

struct patience patience_of(int milliseconds)
{
	return (struct patience){.deadline = monotonic_ns() + milliseconds * 1000000ull};
}

bool wait_patiently(struct patience *patience)
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
	const char *stat;
	int before = errno;
	bool dead;

	errno = 0;
	stat = proc_stat(pid, tid, text);
	dead = stat ? *stat == 'Z' || *stat == 'X' : !proc_is_short();
	errno = before;
	return dead;
}

/* Asleep where no stop reaches it: in vfork until the child has ended, or at a device. */
static bool is_stuck(pid_t pid, pid_t tid)
{
	char text[PROC_STAT];
	const char *stat = proc_stat(pid, tid, text);

	return stat && *stat == 'D';
}

int wait_next(const struct trace *trace, pid_t tid, int *status)
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

int wait_stop(const struct trace *trace, pid_t tid, struct patience *patience, int *status)
{
	for (;;) {
		int got = wait_next(trace, tid, status);

		if (got)
			return got < 0 ? got : 0;
		/* A leader that left before its threads is not reported to anybody. */
		if (patience->turns > DEAD_TURNS && thread_dead(trace->pid, tid))
			return -ESRCH;
		if (patience->hurry && monotonic_ns() > patience->stuck &&
		    is_stuck(trace->pid, tid))
			return -ETIMEDOUT;
		if (!wait_patiently(patience))
			return -ETIMEDOUT;
	}
}

int wait_interrupted(struct trace *trace, pid_t tid, struct patience *patience)
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
