/* SPDX-License-Identifier: MIT */
#include "pager/attached/holder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/ask_process.h"
#include "base/proc.h"
#include "pager/attached/pagemap.h"
#include "pager/attached/state.h"

pid_t holder_of(pid_t thread)
{
	pid_t process = (pid_t)proc_status_number(thread, thread, "Tgid"), parent = process;

	while (parent > 0) {
		process = parent;
		parent = proc_parent(process);
		if (parent <= 0 || !ask_same_memory(parent, thread))
			break;
	}
	return process;
}

bool holder_is_proved(struct pager *pager, pid_t pid, const struct attached *but)
{
	bool proved = false;

	pthread_mutex_lock(&pager->listing.lock);
	for (size_t i = 0; i < pager->listing.count && !proved; i++)
		proved = pager->listing.items[i] != but &&
			 pager->listing.items[i]->task.pid == pid &&
			 pagemap_is_proved(pager->listing.items[i]) &&
			 !pager->listing.items[i]->task.dead;
	pthread_mutex_unlock(&pager->listing.lock);
	return proved;
}

bool holder_is(const struct attached *attached, pid_t pid)
{
	const unsigned int unanswered = ask_unanswered();
	unsigned long long stack_start = 0;
	const char *stat, *stack;
	char text[PROC_STAT];

	if (attached->task.has_agent && ask_same_memory(pid, attached->target.agent_tid))
		return true;
	errno = 0;
	stat = proc_stat(pid, 0, text);
	if (!stat)
		return proc_is_short();
	stack = proc_field(stat, 28);
	if (stack)
		sscanf(stack, "%llu", &stack_start);
	/* None: its first thread has ended, or it is another user's; or exec makes a new one. */
	if (!stack_start)
		return ask_unanswered() == unanswered;
	return !attached->task.stack_start || stack_start == attached->task.stack_start;
}

void holder_check(struct attached *attached)
{
	assert_writing(&attached->lock);
	if (attached->task.pid && !holder_is(attached, attached->task.pid))
		attached->task.pid = 0;
}

void holder_set(struct attached *attached, pid_t pid)
{
	int pidfd;

	assert_writing(&attached->lock);
	if (pid == attached->task.pid || pid <= 0)
		return;
	attached->task.pid = pid;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return;
	/* Its number stays: others may be about to send a signal by it (pager_kill). */
	if (attached->task.pidfd >= 0) {
		dup3(pidfd, attached->task.pidfd, O_CLOEXEC);
		close(pidfd);
	} else {
		attached->task.pidfd = pidfd;
	}
}
