/* SPDX-License-Identifier: MIT */
#include "pager/attached/say.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/message.h"
#include "pager/attached/holder.h"
#include "pager/attached/state.h"

void pager_say(struct pager *pager, const char *format, ...)
{
	char line[MESSAGE_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (pager->config.say)
		pager->config.say(pager->config.say_argument, line);
}

void pager_meanwhile(struct pager *pager)
{
	if (pager->config.meanwhile)
		pager->config.meanwhile(pager->config.meanwhile_argument);
}

void pager_kill(struct attached *attached)
{
	pid_t pid = attached->task.pid;
	bool known = pid > 0 && holder_is(attached, pid);

	/* Else whoever has its memory is found (doomed.h). */
	if (known && attached->task.pidfd >= 0)
		syscall(SYS_pidfd_send_signal, attached->task.pidfd, SIGKILL, NULL, 0);
	else if (known)
		kill(pid, SIGKILL);
	attached->task.dead = true;
}

void pager_lose(struct attached *attached)
{
	pager_say(attached->pager,
		  "out of memory while following process %d: killed, so that it never reads wrong "
		  "bytes",
		  attached->task.pid);
	pager_kill(attached);
}

const char *pager_limit_hint(int error)
{
	struct rlimit limit = {.rlim_cur = RLIM_INFINITY};

	if (error == -ENOMEM)
		getrlimit(RLIMIT_AS, &limit);
	if (limit.rlim_cur != RLIM_INFINITY)
		return "; the shell limits addresses (RLIMIT_AS), of which vswap reserves "
		       "terabytes "
		       "though it uses few: `ulimit -v unlimited`";
	if (error == -EMFILE)
		return "; the shell limits open files (RLIMIT_NOFILE): raise `ulimit -n`";
	return "";
}
