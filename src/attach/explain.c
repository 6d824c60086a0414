/* SPDX-License-Identifier: MIT */
#include "attach/explain.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include "attach/attach.h"
#include "base/message.h"

/* Which limit of the program an error means; NULL: none. */
static const char *limit_of(long number, int error)
{
	if (error == EMFILE)
		return "it has as many files open as it may (RLIMIT_NOFILE)";
	if (error == ENFILE)
		return "the system has as many files open as it may (fs.file-max)";
	if (error == EAGAIN && number == SYS_clone)
		return "its user or its cgroup has as many threads as it may (RLIMIT_NPROC, "
		       "pids.max)";
	if (error == EAGAIN)
		return "it locks all its memory and may lock no more (RLIMIT_MEMLOCK)";
	if (error == ENOMEM)
		return "it may have no more memory (RLIMIT_AS, RLIMIT_DATA)";
	return NULL;
}

int explain_call(char *message, pid_t pid, long number, long error, const char *what)
{
	const char *limit = limit_of(number, (int)-error);

	if (error == -EAGAIN)
		error = -ENOMEM;
	return explain(message, (int)error, "process %d cannot make %s: %s", (int)pid, what,
		       limit ? limit : strerror((int)-error));
}
