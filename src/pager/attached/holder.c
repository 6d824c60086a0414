/* SPDX-License-Identifier: MIT */
#include "pager/attached/holder.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/proc.h"
#include "pager/attached/state.h"

pid_t holder_of(pid_t thread)
{
	pid_t process = (pid_t)proc_status_number(thread, thread, "Tgid"), parent = process;

	while (parent > 0) {
		process = parent;
		parent = proc_parent(process);
		if (parent <= 0 || !proc_same_memory(parent, thread))
			break;
	}
	return process;
}

bool holder_is_known(struct pager *pager, pid_t pid, const struct attached *but)
{
	bool known = false;

	pthread_mutex_lock(&pager->listing.lock);
	for (size_t i = 0; i < pager->listing.count && !known; i++)
		known = pager->listing.items[i] != but &&
			pager->listing.items[i]->task.pid == pid &&
			!pager->listing.items[i]->task.dead;
	pthread_mutex_unlock(&pager->listing.lock);
	return known;
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
