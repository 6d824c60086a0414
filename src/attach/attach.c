/* SPDX-License-Identifier: MIT */
#include "attach/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "attach/area.h"
#include "attach/borrow.h"
#include "attach/explain.h"
#include "attach/inject.h"
#include "attach/leash.h"
#include "attach/probe.h"
#include "attach/trace.h"
#include "attach/twins.h"
#include "attach/wait.h"
#include "base/kernel.h"
#include "base/message.h"
#include "base/page.h"
#include "base/proc.h"

#define INJECT_MS 3000
#define LEAVE_MS  3000

struct work {
	struct target *target;
	attach_stopped_fn stopped;
	void *argument;
	char *message;
};

static int call(void *argument)
{
	struct work *work = argument;

	return work->stopped ? work->stopped(work->target, work->argument) : 0;
}

static int call_stopped(struct work *work)
{
	return twins_stop(work->target->pid, work->target->agent_tid, call, work);
}

static int inject_work(struct trace *trace, void *argument)
{
	struct work *work = argument;
	int error;

	if (!trace_is_unfiltered(trace))
		return explain(work->message, -EACCES,
			       "process %d has a seccomp filter, which could kill it for the calls "
			       "that vswap makes in it: it is left alone",
			       (int)trace->pid);
	error = trace_borrow(trace, 0);
	error = error ?: inject_all(trace, work->target, work->message);
	if (error)
		return error;
	error = call_stopped(work);
	if (error)
		inject_undo(trace, work->target);
	return error;
}

static void explain_stop(pid_t pid, int error, char message[MESSAGE_BYTES])
{
	if (*message)
		return;
	if (error == -ETIMEDOUT)
		snprintf(
			message, MESSAGE_BYTES,
			"a thread of process %d does not stop (it waits in the kernel): it goes on "
			"as before; try again later",
			(int)pid);
	else if (error == -ESRCH)
		explain(message, 0, "process %d has ended", (int)pid);
	else if (error == -EAGAIN)
		snprintf(message, MESSAGE_BYTES,
			 "the memory of process %d cannot be told for sure while it changes: it "
			 "goes on as before; try again later",
			 (int)pid);
	else if (error == -EPERM)
		explain(message, 0,
			"process %d may not be traced: run vswap as its user, or as root, and end "
			"any debugger that is at it",
			(int)pid);
	else
		explain(message, 0, "cannot attach to process %d: %s", (int)pid, strerror(-error));
}

/* True if it counts processes as we do: the thread ids in its memory are those that we see. */
static bool shares_pids(pid_t pid)
{
	struct stat own, other;
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)pid);
	return !stat("/proc/self/ns/pid", &own) && !stat(path, &other) &&
	       own.st_ino == other.st_ino && own.st_dev == other.st_dev;
}

int attach_inject(pid_t pid, int userfault, struct target *target, attach_stopped_fn stopped,
		  void *argument, char message[MESSAGE_BYTES])
{
	struct work work = {target, stopped, argument, message};
	int error;

	*message = '\0';
	*target = (struct target){
		.pid = pid,
		.shares_pids = shares_pids(pid),
		.userfault = -1,
		.leash = {-1, -1},
		.pagemap = -1,
		.statm = -1,
		.agent_status = -1,
	};
	target->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	error = target->pidfd < 0 ? -errno : 0;
	if (!error && userfault >= 0) {
		target->userfault = fcntl(userfault, F_DUPFD_CLOEXEC, 0);
		error = target->userfault < 0 ? -errno : 0;
	}
	error = error ?: trace_session(pid, 0, INJECT_MS, inject_work, &work);
	if (error) {
		explain_stop(pid, error, message);
		attach_forget(target);
	}
	return error;
}

static int stop_work(struct trace *trace, void *argument)
{
	struct work *work = argument;

	(void)trace;
	return call_stopped(work);
}

int attach_stop(struct target *target, int timeout_ms, attach_stopped_fn stopped, void *argument)
{
	struct work work = {target, stopped, argument, NULL};

	return trace_session(target->pid, target->agent_tid, timeout_ms, stop_work, &work);
}

static int stage_code_work(struct trace *trace, void *argument)
{
	const struct work *work = argument;
	int error = trace_is_unfiltered(trace) ? 0 : -EPERM;

	error = error ?: trace_borrow(trace, work->target->agent_tid);
	return error ?: area_stage_code(trace, work->target);
}

int attach_stage_code(struct target *target, int timeout_ms)
{
	struct work work = {target, NULL, NULL, NULL};
	int error = trace_session(target->pid, 0, timeout_ms, stage_code_work, &work);

	if (!error)
		target->stages_code = true;
	return error;
}

static int leave_work(struct trace *trace, void *argument)
{
	struct work *work = argument;

	return inject_leave(trace, work->target);
}

int attach_leave(struct target *target, char message[MESSAGE_BYTES])
{
	struct work work = {target, NULL, NULL, message};
	int error = -ESRCH;

	*message = '\0';
	if (attach_alive(target))
		error = trace_session(target->pid, 0, LEAVE_MS, leave_work, &work);
	/* A filter came to the agent meanwhile: it stays, asleep. */
	if (error == -EACCES)
		error = 0;
	if (error)
		explain_stop(target->pid, error, message);
	if (!error || error == -ESRCH)
		attach_forget(target);
	return error;
}

static void close_one(int *file)
{
	if (*file >= 0)
		close(*file);
	*file = -1;
}

void attach_forget(struct target *target)
{
	leash_release(target);
	close_one(&target->userfault);
	close_one(&target->pagemap);
	close_one(&target->statm);
	close_one(&target->agent_status);
	close_one(&target->pidfd);
	if (target->channel)
		munmap(target->channel,
		       (sizeof(struct channel) + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1));
	target->channel = NULL;
}

bool attach_alive(const struct target *target)
{
	return target->userfault >= 0 && probe_memory(target->userfault) != -ESRCH;
}

static long status_field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtol(at + strlen(name), NULL, 10) : 0;
}

int attach_agent_refusal(const struct target *target)
{
	char text[2048];
	ssize_t got = pread(target->agent_status, text, sizeof(text) - 1, 0);

	if (got <= 0)
		return -ESRCH;
	text[got] = '\0';
	if (status_field(text, "\nSeccomp:\t"))
		return CHANNEL_SECCOMP;
	if (status_field(text, "\nTracerPid:\t"))
		return CHANNEL_TRACED;
	return CHANNEL_DONE;
}

struct survivors {
	const struct target *target;
	bool agent, other;
};

static bool is_other(void *argument, int tid)
{
	struct survivors *survivors = argument;
	const struct target *target = survivors->target;

	if (tid == target->agent_tid)
		survivors->agent = true;
	else
		survivors->other = !thread_dead(target->pid, tid);
	return survivors->other;
}

bool attach_abandoned(const struct target *target)
{
	struct survivors survivors = {.target = target};
	int tasks;

	/* Asked often, and listing thousands of threads takes milliseconds. */
	if (!thread_dead(target->pid, target->pid))
		return false;
	tasks = proc_open_threads(target->pid);
	if (tasks < 0)
		return false;
	proc_each_number(tasks, is_other, &survivors);
	close(tasks);
	return survivors.agent && !survivors.other;
}
