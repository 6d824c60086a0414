/* SPDX-License-Identifier: MIT */
#include "owner/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

_Noreturn static void child(int go, int failed, char **command, const sigset_t *mask)
{
	char byte;
	int error;

	if (read(go, &byte, 1) != 1)
		_exit(1);
	/* The mask last: a signal that waited must meet the program or its default, not us. */
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(command[0], command);
	error = errno;
	while (write(failed, &error, sizeof(error)) < 0 && errno == EINTR)
		;
	_exit(127);
}

int spawn_prepare(struct spawn *spawn, char **command, const sigset_t *mask)
{
	int go[2], failed[2], error;

	if (pipe2(go, O_CLOEXEC))
		return -errno;
	if (pipe2(failed, O_CLOEXEC)) {
		error = errno;
		close(go[0]);
		close(go[1]);
		return -error;
	}
	spawn->pid = fork();
	error = errno;
	if (spawn->pid == 0) {
		/* Else its own copy would keep it waiting after the owner died. */
		close(go[1]);
		close(failed[0]);
		child(go[0], failed[1], command, mask);
	}
	close(go[0]);
	close(failed[1]);
	spawn->go = go[1];
	spawn->failed = failed[0];
	spawn->pidfd = -1;
	if (spawn->pid > 0) {
		spawn->pidfd = pidfd_open(spawn->pid, 0);
		error = errno;
	}
	if (spawn->pidfd >= 0)
		return 0;
	spawn_cancel(spawn);
	return -error;
}

int spawn_go(struct spawn *spawn)
{
	char byte = 0;
	int error = 0;
	ssize_t got;

	got = write(spawn->go, &byte, 1);
	close(spawn->go);
	spawn->go = -1;
	if (got == 1)
		do
			got = read(spawn->failed, &error, sizeof(error));
		while (got < 0 && errno == EINTR);
	close(spawn->failed);
	spawn->failed = -1;
	if (got != sizeof(error))
		return 0;
	spawn_cancel(spawn);
	return -error;
}

void spawn_cancel(struct spawn *spawn)
{
	if (spawn->go >= 0)
		close(spawn->go);
	if (spawn->failed >= 0)
		close(spawn->failed);
	if (spawn->pidfd >= 0)
		close(spawn->pidfd);
	if (spawn->pid > 0)
		while (waitpid(spawn->pid, NULL, 0) < 0 && errno == EINTR)
			;
	*spawn = (struct spawn){.pid = -1, .pidfd = -1, .go = -1, .failed = -1};
}
