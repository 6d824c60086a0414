/* SPDX-License-Identifier: MIT */
/* Whether a process may be attached at all, in words that say what to do otherwise. */
#include "attach/allowed.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "attach/agent.h"
#include "attach/attach.h"
#include "attach/explain.h"
#include "base/ask_process.h"
#include "base/message.h"

/* The parent of all kernel threads. */
#define KTHREADD 2

/* What we want to know of /proc/PID/status. */
struct status {
	char state;
	long group, parent, tracer, seccomp;
	bool has_memory;
};

static ssize_t read_file(const char *path, char *text, size_t size)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (file < 0)
		return -errno;
	got = read(file, text, size - 1);
	if (got < 0)
		got = -errno;
	close(file);
	text[got > 0 ? got : 0] = '\0';
	return got;
}

static const char *field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? at + strlen(name) : NULL;
}

static int read_status(pid_t pid, struct status *status)
{
	char path[48], text[4096];
	const char *at;
	ssize_t got;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	got = read_file(path, text, sizeof(text));
	if (got <= 0)
		return -ESRCH;
	at = field(text, "\nState:\t");
	status->state = at ? *at : 'X';
	at = field(text, "\nTgid:\t");
	status->group = at ? atol(at) : 0;
	at = field(text, "\nPPid:\t");
	status->parent = at ? atol(at) : 0;
	at = field(text, "\nTracerPid:\t");
	status->tracer = at ? atol(at) : 0;
	at = field(text, "\nSeccomp:\t");
	status->seccomp = at ? atol(at) : 0;
	status->has_memory = field(text, "\nVmSize:\t") != NULL;
	return 0;
}

/* One that stops a process so that its faults are answered, say. */
static bool is_own_thread(long tid)
{
	return !syscall(SYS_tgkill, getpid(), tid, 0);
}

/* So it was, a moment ago. */
static bool has_ended(long tid)
{
	return kill((pid_t)tid, 0) && errno == ESRCH;
}

/* The threads' own states: a filter or a debugger may be at any of them. `agent`: one is ours. */
static int check_threads(pid_t pid, struct status *worst, bool *agent)
{
	struct dirent *entry;
	char path[64], comm[32];
	struct status status;
	DIR *directory;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	directory = opendir(path);
	if (!directory)
		return -ESRCH;
	*agent = false;
	while ((entry = readdir(directory))) {
		pid_t tid = atoi(entry->d_name);

		if (tid <= 0 || read_status(tid, &status))
			continue;
		if (status.seccomp)
			worst->seccomp = status.seccomp;
		if (status.tracer)
			worst->tracer = status.tracer;
		worst->has_memory |= status.has_memory;
		snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", (int)pid, (int)tid);
		if (read_file(path, comm, sizeof(comm)) > 0 && !strcmp(comm, AGENT_NAME "\n"))
			*agent = true;
	}
	closedir(directory);
	return 0;
}

static bool is_64_bit(pid_t pid)
{
	char header[EI_NIDENT];

	/* A program that cannot be read is judged when it is injected. */
	if (ask_read(pid, "exe", ASK_FILE, header, sizeof(header)) < EI_NIDENT)
		return true;
	return header[EI_CLASS] == ELFCLASS64;
}

/* 0 when Yama lets any process of a user trace another. */
static long yama_scope(void)
{
	char text[16];

	return read_file("/proc/sys/kernel/yama/ptrace_scope", text, sizeof(text)) > 0 ? atol(text)
										       : 0;
}

/* Reading the name of the program needs the same right that tracing does, but for Yama's part. */
static int check_right(pid_t pid, const struct status *status, char *message)
{
	int file = ask_open(pid, "mem", O_RDWR);

	if (file >= 0) {
		close(file);
		return 0;
	}
	if (file == -ETIMEDOUT)
		return explain(message, file,
			       "process %d is in exec, which waits for a file system: try again",
			       (int)pid);
	if (file == -EAGAIN || file == -ENOMEM || file == -EMFILE || file == -ENFILE)
		return explain(message, file, "process %d cannot be looked at now: %s", (int)pid,
			       strerror(-file));
	/* The first thread has ended, others live on: asking is left to the attempt. */
	if (file == -ESRCH && status->state == 'Z')
		return 0;
	if (file == -ENOENT || file == -ESRCH)
		return explain(message, -ESRCH, "process %d has ended", (int)pid);
	if (yama_scope())
		return explain(
			message, -EPERM,
			"process %d may not be traced (Yama's ptrace_scope is %ld): start it "
			"with `vswap run`, or attach as root, or run `sysctl "
			"kernel.yama.ptrace_scope=0` as root",
			(int)pid, yama_scope());
	return explain(message, -EPERM,
		       "process %d is not yours to trace: attach as its user, or as root",
		       (int)pid);
}

int attach_allowed(pid_t pid, char message[MESSAGE_BYTES])
{
	struct status status;
	bool agent;

	*message = '\0';
	if (pid <= 0)
		return explain(message, -EINVAL, "%d is not a process number", (int)pid);
	if (read_status(pid, &status))
		return explain(message, -ESRCH, "there is no process %d", (int)pid);
	if (status.group == getpid())
		return explain(message, -EINVAL, "process %d is vswap itself", (int)pid);
	if (status.group != pid)
		return explain(message, -EINVAL, "%d is a thread of process %ld: attach to that",
			       (int)pid, status.group);
	if (check_threads(pid, &status, &agent))
		return explain(message, -ESRCH, "process %d has ended", (int)pid);
	if (!status.has_memory && (pid == KTHREADD || status.parent == KTHREADD))
		return explain(message, -EINVAL, "%d is a kernel thread: it has no memory to page",
			       (int)pid);
	/* A first thread that has ended is a zombie too, while others live on. */
	if (!status.has_memory)
		return explain(message, -ESRCH, "process %d has ended%s", (int)pid,
			       status.state == 'Z'
				       ? " (a zombie that its parent has not waited for)"
				       : "");
	if (agent)
		return explain(message, -EBUSY,
			       "process %d is attached already: see `vswap stat %d`, or `vswap "
			       "detach %d` first",
			       (int)pid, (int)pid, (int)pid);
	if (status.tracer && (is_own_thread(status.tracer) || has_ended(status.tracer)))
		return explain(message, -EAGAIN, "process %d is being stopped already", (int)pid);
	if (status.tracer)
		return explain(message, -EBUSY,
			       "process %d is traced by process %ld (a debugger?): end that first",
			       (int)pid, status.tracer);
	if (status.seccomp)
		return explain(message, -EACCES,
			       "process %d has a seccomp filter, which could kill it for the calls "
			       "that vswap makes in it: it is left alone",
			       (int)pid);
	if (!is_64_bit(pid))
		return explain(message, -ENOEXEC,
			       "process %d is a 32-bit program: vswap pages 64-bit programs only",
			       (int)pid);
	return check_right(pid, &status, message);
}
