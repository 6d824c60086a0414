/* SPDX-License-Identifier: MIT */
#include "attach/inject.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "attach/agent.h"
#include "attach/area.h"
#include "attach/borrow.h"
#include "attach/explain.h"
#include "attach/grant.h"
#include "attach/leash.h"
#include "attach/marks.h"
#include "attach/remote.h"
#include "attach/rights.h"
#include "base/ask_process.h"
#include "base/futex.h"
#include "base/kernel.h"
#include "base/proc.h"
#include "rights/fork_right.h"

#define CLONE_AGENT (CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)
/* See lonely_user. */
#define LONELY_USERS 0xc0000000u
#define LONELY_MASK  0x1fffffffu
#define START_MS     2000
#define STOPPED_MS   20 /* an agent that did not start by then may be held by a group stop */

#define FEATURES_NEEDED                                                                   \
	(UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP | UFFD_FEATURE_EVENT_REMOVE | \
	 UFFD_FEATURE_EVENT_UNMAP | UFFD_FEATURE_THREAD_ID | UFFD_FEATURE_MOVE)
#define FEATURES_WANTED (FEATURES_NEEDED | UFFD_FEATURE_POISON)

struct injection {
	struct trace *trace;
	struct target *target;
	char *message;
	int userfault, leash[2]; /* the program's numbers of them, while it has them */
};

static int fail_call(const struct injection *in, long number, long error, const char *what)
{
	return explain_call(in->message, in->target->pid, number, error, what);
}

/* The one that the owner has of a forked child, or a new one. */
static int make_userfault(struct injection *in)
{
	uint64_t scratch = area_scratch(in->target);
	long got;

	if (in->target->userfault >= 0)
		got = give_descriptor(in->trace, in->target, in->target->userfault, scratch);
	else
		got = trace_call(in->trace, SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (got == -EPERM && in->target->userfault < 0)
		got = grant_userfault(in->trace, in->target, scratch);
	if (got == -EPERM)
		return explain(
			in->message, -EPERM,
			"process %d may not have its kernel page faults served: run it as root "
			"(CAP_SYS_PTRACE), or run `sysctl vm.unprivileged_userfaultfd=1` as "
			"root, or let its user open /dev/userfaultfd",
			(int)in->target->pid);
	if (got == -ENOSYS)
		return explain(in->message, -ENOSYS,
			       "this kernel has no userfaultfd: use Linux 6.8 or newer");
	if (got < 0)
		return fail_call(in, SYS_userfaultfd, got, "a userfaultfd");
	in->userfault = (int)got;
	in->target->channel->userfault = in->userfault;
	return 0;
}

/* What this kernel's userfaultfd can do, asked on one of our own. */
static uint64_t features_offered(void)
{
	struct uffdio_api api = {.api = UFFD_API};
	int file = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);

	if (file < 0)
		return FEATURES_WANTED; /* not ours to have: then ask for all and see */
	if (ioctl(file, UFFDIO_API, &api))
		api.features = 0;
	close(file);
	return api.features;
}

static int take_userfault(struct injection *in)
{
	uint64_t features = (features_offered() & FEATURES_WANTED) |
			    (marks_possible() ? UFFD_FEATURE_WP_ASYNC : 0);
	struct uffdio_api api = {.api = UFFD_API, .features = features};
	int error;

	in->target->userfault = take_descriptor(in->trace, in->target, in->userfault);
	if (in->target->userfault < 0)
		return explain(in->message, in->target->userfault,
			       "cannot take the userfaultfd of process %d (pidfd_getfd): %s",
			       (int)in->target->pid, strerror(-in->target->userfault));
	if ((features & FEATURES_NEEDED) != FEATURES_NEEDED)
		return explain(in->message, -EOPNOTSUPP,
			       "this kernel's userfaultfd lacks %s: vswap needs Linux 6.8 or newer",
			       features & UFFD_FEATURE_MOVE ? "events" : "UFFDIO_MOVE");
	error = ioctl(in->target->userfault, UFFDIO_API, &api) ? -errno : 0;
	/* Nobody would tell us of forks, and a child would read zeros for its data. */
	if (error == -EPERM)
		error = fork_right_enable(in->target->userfault, features);
	if (error == -EPERM)
		return explain(
			in->message, -EPERM,
			"following forks needs CAP_SYS_PTRACE: run vswap as root, or have "
			"root run `vswap setup` once for your user; `vswap doctor` says more");
	if (error)
		return explain(in->message, error,
			       "the kernel refuses its userfaultfd features: %s; vswap needs Linux "
			       "6.8 or newer",
			       strerror(-error));
	return 0;
}

static bool started(void *argument)
{
	const struct channel *channel = argument;

	return __atomic_load_n(&channel->started, __ATOMIC_ACQUIRE);
}

static bool wait_started(struct channel *channel, int milliseconds)
{
	for (int i = 0; i < milliseconds && !started(channel); i++)
		futex_wait(&channel->started, 0, 1000000);
	return started(channel);
}

/*
 * A user for the agent, for root's programs. Their numbers are so high that nobody uses them (many
 * programs take them for negative), and agents of different pid namespaces must not have the same
 * one. Without the right to trace any process the owner would lose sight of the agent.
 */
static uint32_t lonely_user(void)
{
	uint32_t number = 0;

	if (!rights_has(CAP_SYS_PTRACE) ||
	    getrandom(&number, sizeof(number), GRND_NONBLOCK) != (ssize_t)sizeof(number))
		return 0;
	return LONELY_USERS | (number & LONELY_MASK);
}

static int start_agent(struct injection *in)
{
	struct target *target = in->target;
	uint64_t stack = area_stack_end(target) - sizeof(uint64_t);
	uint64_t entry = target->agent_address + (uint64_t)(agent_entry - __start_agent_text);
	const uint64_t arguments[6] = {CLONE_AGENT, stack};
	int error = remote_write(in->trace->borrowed, stack, &target->channel_address,
				 sizeof(uint64_t));
	long got = error;

	target->channel->user = lonely_user();
	if (!error)
		got = trace_call_at(in->trace, entry, SYS_clone, arguments);
	if (got < 0)
		return fail_call(in, SYS_clone, got, "the agent's thread");
	target->agent_tid = target->shares_pids ? (pid_t)got : trace_newcomer(in->trace);
	target->agent_lost = !target->agent_tid;
	if (!target->agent_tid)
		return explain(in->message, -ESRCH,
			       "the agent in process %d has ended, or cannot be found",
			       (int)target->pid);
	if (wait_started(target->channel, STOPPED_MS))
		return 0;
	/* In a stopped program the new thread starts stopped: let it run as far as it must. */
	if (in->trace->group_stopped &&
	    !trace_run(in->trace, target->agent_tid, started, target->channel))
		return 0;
	if (wait_started(target->channel, START_MS))
		return 0;
	return explain(in->message, -ETIMEDOUT, "the agent in process %d does not start",
		       (int)target->pid);
}

static int open_all(struct injection *in)
{
	struct target *target = in->target;

	target->pagemap = ask_open(target->agent_tid, "pagemap", O_RDONLY);
	target->statm = ask_open(target->agent_tid, "statm", O_RDONLY);
	target->agent_status = ask_open(target->agent_tid, "status", O_RDONLY);
	if (target->pagemap == -ETIMEDOUT || target->pagemap == -EAGAIN)
		return target->pagemap;
	if (target->pagemap < 0 || target->statm < 0 || target->agent_status < 0)
		return explain(in->message, -EACCES,
			       "cannot read /proc/%d/pagemap, statm and status", (int)target->pid);
	return 0;
}

static int make_leash(struct injection *in)
{
	int error = leash_make(in->trace, in->target, in->leash);

	return error ? fail_call(in, SYS_pipe2, error, "a pipe") : 0;
}

/* The program keeps none of the descriptors. */
static void close_theirs(struct injection *in)
{
	const int theirs[] = {in->userfault, in->leash[0], in->leash[1]};

	for (int i = 0; i < 3; i++)
		if (theirs[i] >= 0)
			trace_call(in->trace, SYS_close, (uint64_t)theirs[i]);
}

int inject_all(struct trace *trace, struct target *target, char message[MESSAGE_BYTES])
{
	struct injection in = {trace, target, message, -1, {-1, -1}};
	bool given = target->userfault >= 0; /* features come with it */
	int error;

	_Static_assert(CHANNEL_BATCH % CHANNEL_CHUNK == 0, "chunks fill a batch");
	error = area_map(trace, target, message);
	error = error ?: make_userfault(&in);
	if (!given)
		error = error ?: take_userfault(&in);
	error = error ?: make_leash(&in);
	error = error ?: start_agent(&in);
	close_theirs(&in);
	error = error ?: open_all(&in);
	if (error)
		inject_undo(trace, target);
	return error;
}

/* The agent may be unknown to the session (it was just started) or one of its threads. */
static int agent_out(struct trace *trace, struct target *target)
{
	int error;

	if (!target->agent_tid)
		return 0;
	error = trace_adopt(trace, target->agent_tid);
	error = error ?: trace_exit(trace, target->agent_tid);
	if (!error)
		target->agent_tid = 0;
	return error;
}

int inject_undo(struct trace *trace, struct target *target)
{
	int error = agent_out(trace, target);

	if (!error && !target->agent_lost)
		area_unmap(trace, target);
	return error;
}

int inject_leave(struct trace *trace, struct target *target)
{
	int error = trace_borrow(trace, target->agent_tid);

	if (error)
		return error;
	if (proc_status_number(target->pid, target->agent_tid, "Seccomp"))
		return -EACCES;
	area_unmap(trace, target);
	trace->borrowed = 0; /* it is not given back */
	return agent_out(trace, target);
}
