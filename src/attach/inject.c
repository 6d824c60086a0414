/* SPDX-License-Identifier: MIT */
/*
 * What is put into the program, one anonymous mapping and one shared page:
 *
 *   agent_address  +------------------+
 *                  | code, r-x        | CODE_PAGES
 *                  | guard, ---       | 1
 *                  | stack, rw-       | STACK_PAGES
 *                  | staging 0, rw-   | CHANNEL_BATCH
 *                  | staging 1, rw-   | CHANNEL_BATCH
 *                  +------------------+
 *   channel_address: the channel, rw- shared
 *
 * Children of fork get none of it. It is mapped without access and gets its flags
 * first, so that it never merges with a mapping of the program.
 */
#include "attach/inject.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "attach/agent.h"
#include "attach/grant.h"
#include "attach/kernel.h"
#include "attach/remote.h"

#define PAGE	      4096ull
#define CODE_PAGES    1ull
#define STACK_PAGES   4ull
#define STACK_AT      ((CODE_PAGES + 1) * PAGE)
#define STACK_END     (STACK_AT + STACK_PAGES * PAGE)
#define STAGING_BYTES (CHANNEL_BATCH * PAGE)
#define AREA_BYTES    (STACK_END + ATTACH_STAGINGS * STAGING_BYTES)
#define CHANNEL_BYTES ((sizeof(struct channel) + PAGE - 1) & ~(PAGE - 1))
#define CLONE_AGENT   (CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)
#define START_MS      2000
#define STOPPED_MS    20 /* an agent that did not start by then may be held by a group stop */

#define FEATURES_NEEDED                                                                   \
	(UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP | UFFD_FEATURE_EVENT_REMOVE | \
	 UFFD_FEATURE_EVENT_UNMAP | UFFD_FEATURE_THREAD_ID | UFFD_FEATURE_MOVE)
#define FEATURES_WANTED (FEATURES_NEEDED | UFFD_FEATURE_POISON)

/* The program's own numbers of the two descriptors, while it has them. */
struct injection {
	struct trace *trace;
	struct target *target;
	char *message;
	int userfault, channel;
};

static int __attribute__((format(printf, 3, 4)))
fail(struct injection *in, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(in->message, ATTACH_MESSAGE, format, arguments);
	va_end(arguments);
	return error;
}

static int fail_call(struct injection *in, long error, const char *what)
{
	return fail(in, (int)error, "process %d cannot make %s: %s", (int)in->target->pid, what,
		    strerror((int)-error));
}

static int map_area(struct injection *in)
{
	struct trace *trace = in->trace;
	uint64_t area;
	long got;

	got = trace_call(trace, SYS_mmap, 0, AREA_BYTES, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, (uint64_t)-1, 0);
	if (got < 0 && got > -4096)
		return fail_call(in, got, "room for the agent (mmap)");
	area = (uint64_t)got;
	in->target->agent_address = area;
	in->target->agent_bytes = AREA_BYTES;
	for (unsigned int i = 0; i < ATTACH_STAGINGS; i++)
		in->target->staging[i] = area + STACK_END + i * STAGING_BYTES;
	got = trace_call(trace, SYS_madvise, area, AREA_BYTES, MADV_DONTFORK);
	if (!got)
		got = trace_call(trace, SYS_madvise, area, AREA_BYTES, MADV_DONTDUMP);
	if (!got)
		got = trace_call(trace, SYS_mprotect, area, AREA_BYTES, PROT_READ | PROT_WRITE);
	if (!got)
		got = remote_write(trace->borrowed, area, __start_agent_text,
				   (size_t)(__stop_agent_text - __start_agent_text));
	if (!got)
		got = trace_call(trace, SYS_mprotect, area, CODE_PAGES * PAGE,
				 PROT_READ | PROT_EXEC);
	if (!got)
		got = trace_call(trace, SYS_mprotect, area + CODE_PAGES * PAGE, PAGE, PROT_NONE);
	if (got)
		return fail_call(in, got, "the agent's memory");
	/* Kernels without huge pages refuse this; a program that locks all its future memory
	 * has locked this too. */
	trace_call(trace, SYS_madvise, area, AREA_BYTES, MADV_NOHUGEPAGE);
	trace_call(trace, SYS_munlock, area, AREA_BYTES);
	return 0;
}

/* The one that the owner has of a forked child, or a new one. */
static int make_userfault(struct injection *in)
{
	uint64_t scratch = in->target->agent_address + STACK_AT;
	long got;

	if (in->target->userfault >= 0)
		got = give_descriptor(in->trace, in->target, in->target->userfault, scratch);
	else
		got = trace_call(in->trace, SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (got == -EPERM && in->target->userfault < 0)
		got = grant_userfault(in->trace, in->target, scratch);
	if (got == -EPERM)
		return fail(in, -EPERM,
			    "process %d may not have its kernel page faults served: run it as root "
			    "(CAP_SYS_PTRACE), or run `sysctl vm.unprivileged_userfaultfd=1` as "
			    "root, or let its user open /dev/userfaultfd",
			    (int)in->target->pid);
	if (got == -ENOSYS)
		return fail(in, -ENOSYS, "this kernel has no userfaultfd: use Linux 6.8 or newer");
	if (got < 0)
		return fail_call(in, got, "a userfaultfd");
	in->userfault = (int)got;
	return 0;
}

static int make_channel(struct injection *in)
{
	uint64_t name = in->target->agent_address + (uint64_t)(agent_name - __start_agent_text);
	struct trace *trace = in->trace;
	long got;

	got = trace_call(trace, SYS_memfd_create, name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (got < 0)
		return fail_call(in, got, "a shared page (memfd_create)");
	in->channel = (int)got;
	got = trace_call(trace, SYS_ftruncate, (uint64_t)in->channel, CHANNEL_BYTES);
	if (got)
		return fail_call(in, got, "a shared page (ftruncate)");
	got = trace_call(trace, SYS_mmap, 0, CHANNEL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
			 (uint64_t)in->channel, 0);
	if (got < 0 && got > -4096)
		return fail_call(in, got, "a shared page (mmap)");
	in->target->channel_address = (uint64_t)got;
	trace_call(trace, SYS_madvise, in->target->channel_address, CHANNEL_BYTES, MADV_DONTFORK);
	trace_call(trace, SYS_madvise, in->target->channel_address, CHANNEL_BYTES, MADV_DONTDUMP);
	return 0;
}

static int take_channel(struct injection *in)
{
	struct target *target = in->target;
	void *mapped;
	int memory;

	memory = take_descriptor(in->trace, target, in->channel);
	if (memory < 0)
		return fail_call(in, memory, "the shared page ours (pidfd_getfd)");
	/* The program must not be able to shrink it under us. */
	fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	mapped = mmap(NULL, CHANNEL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	close(memory);
	if (mapped == MAP_FAILED)
		return fail(in, -errno, "cannot map the channel: %s", strerror(errno));
	target->channel = mapped;
	target->channel->magic = CHANNEL_MAGIC;
	target->channel->userfault = in->userfault;
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
	uint64_t features = features_offered() & FEATURES_WANTED;
	struct uffdio_api api = {.api = UFFD_API, .features = features};

	in->target->userfault = take_descriptor(in->trace, in->target, in->userfault);
	if (in->target->userfault < 0)
		return fail_call(in, in->target->userfault, "its userfaultfd ours (pidfd_getfd)");
	if ((features & FEATURES_NEEDED) != FEATURES_NEEDED)
		return fail(in, -EOPNOTSUPP,
			    "this kernel's userfaultfd lacks %s: vswap needs Linux 6.8 or newer",
			    features & UFFD_FEATURE_MOVE ? "events" : "UFFDIO_MOVE");
	if (ioctl(in->target->userfault, UFFDIO_API, &api)) {
		/* Nobody would tell us of forks, and a child would read zeros for its data. */
		if (errno == EPERM)
			return fail(
				in, -EPERM,
				"following forks needs CAP_SYS_PTRACE: run vswap as root, or give "
				"it the right with `setcap cap_sys_ptrace+ep` on its binary");
		return fail(in, -errno,
			    "the kernel refuses its userfaultfd features: %s; vswap needs Linux "
			    "6.8 or newer",
			    strerror(errno));
	}
	return 0;
}

static bool started(void *argument)
{
	const struct channel *channel = argument;

	return __atomic_load_n(&channel->started, __ATOMIC_ACQUIRE);
}

static bool wait_started(struct channel *channel, int milliseconds)
{
	struct timespec slice = {0, 1000000};

	for (int i = 0; i < milliseconds && !started(channel); i++)
		syscall(SYS_futex, &channel->started, FUTEX_WAIT, 0, &slice, NULL, 0);
	return started(channel);
}

static int start_agent(struct injection *in)
{
	struct target *target = in->target;
	uint64_t stack = target->agent_address + STACK_END - sizeof(uint64_t);
	uint64_t entry = target->agent_address + (uint64_t)(agent_entry - __start_agent_text);
	const uint64_t arguments[6] = {CLONE_AGENT, stack};
	int error = remote_write(in->trace->borrowed, stack, &target->channel_address,
				 sizeof(uint64_t));
	long got = error;

	if (!error)
		got = trace_call_at(in->trace, entry, SYS_clone, arguments);
	if (got < 0)
		return fail_call(in, got, "the agent's thread");
	target->agent_tid = trace_newcomer(in->trace);
	if (!target->agent_tid)
		return fail(in, -ESRCH, "the agent in process %d ended at once", (int)target->pid);
	if (wait_started(target->channel, STOPPED_MS))
		return 0;
	/* In a stopped program the new thread starts stopped: let it run as far as it must. */
	if (in->trace->group_stopped &&
	    !trace_run(in->trace, target->agent_tid, started, target->channel))
		return 0;
	if (wait_started(target->channel, START_MS))
		return 0;
	return fail(in, -ETIMEDOUT, "the agent in process %d does not start", (int)target->pid);
}

static int open_proc(const struct target *target, const char *name)
{
	char path[64];
	int file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", (int)target->pid,
		 (int)target->agent_tid, name);
	file = open(path, O_RDONLY | O_CLOEXEC);
	return file < 0 ? -errno : file;
}

static int open_all(struct injection *in)
{
	struct target *target = in->target;

	target->pagemap = open_proc(target, "pagemap");
	target->statm = open_proc(target, "statm");
	target->agent_status = open_proc(target, "status");
	if (target->pagemap < 0 || target->statm < 0 || target->agent_status < 0)
		return fail(in, -EACCES, "cannot read /proc/%d/pagemap, statm and status",
			    (int)target->pid);
	return 0;
}

/* The program keeps neither descriptor. */
static void close_both(struct injection *in)
{
	if (in->userfault >= 0)
		trace_call(in->trace, SYS_close, (uint64_t)in->userfault);
	if (in->channel >= 0)
		trace_call(in->trace, SYS_close, (uint64_t)in->channel);
	in->userfault = -1;
	in->channel = -1;
}

int inject_all(struct trace *trace, struct target *target, char message[ATTACH_MESSAGE])
{
	struct injection in = {trace, target, message, -1, -1};
	bool given = target->userfault >= 0; /* features come with it */
	int error;

	_Static_assert(CHANNEL_BATCH % CHANNEL_CHUNK == 0, "chunks fill a batch");
	if ((size_t)(__stop_agent_text - __start_agent_text) > CODE_PAGES * PAGE)
		return fail(&in, -E2BIG, "the agent's code does not fit its page");
	error = map_area(&in);
	error = error ?: make_userfault(&in);
	error = error ?: make_channel(&in);
	error = error ?: take_channel(&in);
	if (!given)
		error = error ?: take_userfault(&in);
	error = error ?: start_agent(&in);
	close_both(&in);
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

	if (error)
		return error;
	/* Nobody is left when the agent was the last thread. */
	if (trace->borrowed && target->channel_address)
		trace_call(trace, SYS_munmap, target->channel_address, CHANNEL_BYTES);
	if (trace->borrowed && target->agent_address)
		trace_call(trace, SYS_munmap, target->agent_address, target->agent_bytes);
	target->channel_address = 0;
	target->agent_address = 0;
	return 0;
}
