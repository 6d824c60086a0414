/* SPDX-License-Identifier: MIT */
/*
 * What is put into the program:
 *
 *   agent_address  +------------------+
 *                  | code, r-x        | CODE_PAGES, of a file
 *                  | channel, rw-     | CHANNEL_BYTES, of the same file, shared with the owner
 *                  | guard, ---       | 1
 *                  | stack, rw-       | STACK_PAGES
 *                  | staging 0, rw-   | CHANNEL_BATCH
 *                  | staging 1, rw-   | CHANNEL_BATCH
 *                  | code staging 0   | CHANNEL_BATCH
 *                  | code staging 1   | CHANNEL_BATCH
 *                  +------------------+
 *
 * The kernel moves pages between mappings of the same protection only. Most programs have no
 * memory that is written to and executed: the code staging is without access (---) until one is
 * seen that has, and rwx from then on (area_stage_code).
 *
 * Children of fork get none of it. It is mapped without access and gets its flags
 * first, so that it never merges with a mapping of the program.
 *
 * The file is a memfd that the program makes and the owner takes a copy of, sizes,
 * writes and seals: the program's own limit of the size of files (RLIMIT_FSIZE), which
 * raises SIGXFSZ, is not asked then, and no memory that was written to becomes
 * executable, which a program can forbid itself (PR_SET_MDWE).
 */
#include "attach/area.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "attach/agent.h"
#include "attach/borrow.h"
#include "attach/explain.h"
#include "attach/grant.h"
#include "attach/remote.h"
#include "base/message.h"
#include "base/page.h"

#define CODE_BYTES    PAGE_BYTES
#define CHANNEL_BYTES ((sizeof(struct channel) + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1))
#define FILE_BYTES    (CODE_BYTES + CHANNEL_BYTES)
#define STACK_PAGES   4ull
#define STACK_AT      (FILE_BYTES + PAGE_BYTES)
#define STACK_END     (STACK_AT + STACK_PAGES * PAGE_BYTES)
#define STAGING_BYTES (CHANNEL_BATCH * PAGE_BYTES)
#define CODE_STAGING  (STACK_END + ATTACH_STAGINGS * STAGING_BYTES)
#define AREA_BYTES    (CODE_STAGING + ATTACH_STAGINGS * STAGING_BYTES)

struct plan {
	struct trace *trace;
	struct target *target;
	char *message;
};

static int fail_call(const struct plan *plan, long number, long error, const char *what)
{
	return explain_call(plan->message, plan->target->pid, number, error, what);
}

uint64_t area_stack_end(const struct target *target)
{
	return target->agent_address + STACK_END;
}

uint64_t area_scratch(const struct target *target)
{
	return target->agent_address + STACK_AT;
}

static int map_room(const struct plan *plan)
{
	struct target *target = plan->target;
	struct trace *trace = plan->trace;
	long got = trace_call(trace, SYS_mmap, 0, AREA_BYTES, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, (uint64_t)-1, 0);
	uint64_t area = (uint64_t)got;

	if (got < 0 && got > -4096)
		return fail_call(plan, SYS_mmap, got, "room for the agent (mmap)");
	target->agent_address = area;
	target->agent_bytes = AREA_BYTES;
	target->channel_address = area + CODE_BYTES;
	for (unsigned int i = 0; i < ATTACH_STAGINGS; i++) {
		target->staging[i] = area + STACK_END + i * STAGING_BYTES;
		target->code_staging[i] = area + CODE_STAGING + i * STAGING_BYTES;
	}
	got = trace_call(trace, SYS_madvise, area, AREA_BYTES, MADV_DONTFORK);
	if (!got)
		got = trace_call(trace, SYS_madvise, area, AREA_BYTES, MADV_DONTDUMP);
	if (!got)
		got = trace_call(trace, SYS_mprotect, area + STACK_AT, CODE_STAGING - STACK_AT,
				 PROT_READ | PROT_WRITE);
	if (got)
		return fail_call(plan, SYS_mprotect, got, "the agent's memory (mprotect)");
	/* Kernels without huge pages refuse this; a program that locks all its future memory
	 * has locked this too. */
	trace_call(trace, SYS_madvise, area, AREA_BYTES, MADV_NOHUGEPAGE);
	trace_call(trace, SYS_munlock, area, AREA_BYTES);
	return 0;
}

/* The owner's own limit of the size of files must not be in the way either. */
static int set_size(int file)
{
	struct rlimit old, high;
	bool raised;
	int error;

	getrlimit(RLIMIT_FSIZE, &old);
	high.rlim_cur = high.rlim_max = old.rlim_max > FILE_BYTES ? old.rlim_max : RLIM_INFINITY;
	raised = old.rlim_cur < FILE_BYTES && !setrlimit(RLIMIT_FSIZE, &high);
	/* Above the limit the kernel would end this process; in this thread signals are masked. */
	error = ftruncate(file, FILE_BYTES) ? -errno : 0;
	if (raised)
		setrlimit(RLIMIT_FSIZE, &old);
	return error;
}

/* Others that share the program's descriptors could have changed the file before it was sealed. */
static int seal(int file)
{
	struct stat status;

	if (fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) ||
	    fstat(file, &status))
		return -errno;
	return status.st_size == (off_t)FILE_BYTES ? 0 : -EBUSY;
}

/* The file, the owner's copy of it, ready to be mapped. */
static int prepare_file(const struct plan *plan, int file)
{
	struct target *target = plan->target;
	size_t code = (size_t)(__stop_agent_text - __start_agent_text);
	char *bytes;
	int error;

	if (code > CODE_BYTES)
		return explain(plan->message, -E2BIG, "the agent's code does not fit its page");
	error = set_size(file);
	error = error ?: seal(file);
	if (error)
		return explain(plan->message, error,
			       "cannot make the page that vswap shares with process %d: %s%s",
			       (int)target->pid, strerror(-error),
			       error == -EFBIG ? "; raise vswap's own limit, `ulimit -f`" : "");
	bytes = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (bytes == MAP_FAILED)
		return explain(plan->message, -errno, "cannot map the channel: %s",
			       strerror(errno));
	memcpy(bytes, __start_agent_text, code);
	target->channel = (struct channel *)(bytes + CODE_BYTES);
	target->channel->magic = CHANNEL_MAGIC;
	munmap(bytes, CODE_BYTES);
	return 0;
}

/* Maps the file in the program, where there is room for it. */
static int map_file(const struct plan *plan, int number)
{
	struct trace *trace = plan->trace;
	uint64_t area = plan->target->agent_address;
	long got = trace_call(trace, SYS_mmap, area, CODE_BYTES, PROT_READ | PROT_EXEC,
			      MAP_PRIVATE | MAP_FIXED, (uint64_t)number, 0);

	if (got == (long)area)
		got = trace_call(trace, SYS_mmap, area + CODE_BYTES, CHANNEL_BYTES,
				 PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, (uint64_t)number,
				 CODE_BYTES);
	if (got < 0 && got > -4096)
		return fail_call(plan, SYS_mmap, got, "the agent's code and channel (mmap)");
	trace_call(trace, SYS_madvise, area, FILE_BYTES, MADV_DONTFORK);
	trace_call(trace, SYS_madvise, area, FILE_BYTES, MADV_DONTDUMP);
	return 0;
}

static int share_file(const struct plan *plan)
{
	uint64_t scratch = area_scratch(plan->target);
	int number, file,
		error = remote_write(plan->trace->borrowed, scratch, AGENT_NAME,
				     sizeof(AGENT_NAME));
	long got = error;

	if (!error)
		got = trace_call(plan->trace, SYS_memfd_create, scratch,
				 MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (got < 0)
		return fail_call(plan, SYS_memfd_create, got, "a shared page (memfd_create)");
	number = (int)got;
	file = take_descriptor(plan->trace, plan->target, number);
	if (file < 0) {
		error = explain(plan->message, file,
				"cannot take a shared page of process %d (pidfd_getfd): %s",
				(int)plan->target->pid, strerror(-file));
	} else {
		error = prepare_file(plan, file);
		error = error ?: map_file(plan, number);
		close(file);
	}
	trace_call(plan->trace, SYS_close, (uint64_t)number);
	return error;
}

int area_map(struct trace *trace, struct target *target, char message[MESSAGE_BYTES])
{
	struct plan plan = {trace, target, message};
	int error = map_room(&plan);

	return error ?: share_file(&plan);
}

int area_stage_code(struct trace *trace, const struct target *target)
{
	return (int)trace_call(trace, SYS_mprotect, target->code_staging[0],
			       ATTACH_STAGINGS * STAGING_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC);
}

void area_unmap(struct trace *trace, struct target *target)
{
	if (target->agent_address)
		trace_call(trace, SYS_munmap, target->agent_address, AREA_BYTES);
	target->channel_address = 0;
	target->agent_address = 0;
}
