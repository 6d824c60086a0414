/* SPDX-License-Identifier: MIT */
/*
 * Signals.
 * While the program is our child, the terminal's signals reach it by themselves (same process
 * group): the owner only takes them out of its own way, and passes on what somebody sent to the
 * owner alone. Ctrl-Z stops the program first and then the owner, since a stopped program does not
 * fault and the shell waits for the owner.
 */
#include "owner/signals.h"

#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/proc.h"
#include "base/say.h"
#include "owner/owner.h"
#include "owner/owner_state.h"

/* Everything that a signal may mean to somebody else; what a fault of our own raises stays. */
void signals_handled(sigset_t *set)
{
	static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};

	sigfillset(set);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		sigdelset(set, own[i]);
}

void owner_block_signals(sigset_t *before)
{
	sigset_t set;

	signals_handled(&set);
	sigprocmask(SIG_SETMASK, &set, before);
}

/* ---- signals ---- */

static bool is_stopped(pid_t pid)
{
	char text[PROC_STAT];
	const char *stat = proc_stat(pid, 0, text);

	return stat && *stat == 'T';
}

/* Job control: the shell waits for us, so we stop once the program has. */
static void follow_stop(struct owner *owner)
{
	siginfo_t info = {0};

	/* What a thread of ours that traces the program waits for is left to it. */
	if (owner->gone ||
	    waitid(P_PIDFD, (id_t)owner->pidfd, &info, WSTOPPED | WNOHANG | WNOWAIT) ||
	    !info.si_pid || info.si_code != CLD_STOPPED)
		return;
	waitid(P_PIDFD, (id_t)owner->pidfd, &info, WSTOPPED | WNOHANG);
	if (info.si_code != CLD_STOPPED || info.si_status == SIGSTOP)
		return;
	if (is_stopped(owner->pid))
		kill(getpid(), SIGSTOP);
}

/* Processes of the job whose parent has ended are our children now, and nobody else waits for them.
 */
static void reap_adopted(const struct owner *owner)
{
	siginfo_t info;

	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) || !info.si_pid ||
		    info.si_pid == owner->pid)
			return;
		waitid(P_PID, (id_t)info.si_pid, &info, WEXITED | WNOHANG);
	}
}

static void pass_on(struct owner *owner, const struct signalfd_siginfo *info)
{
	if (owner->gone)
		return;
	/* From the terminal: the program has had it. */
	if (info->ssi_code == SI_KERNEL)
		return;
	/* Our own write to a pipe that nobody reads. */
	if (info->ssi_signo == SIGPIPE && (pid_t)info->ssi_pid == getpid())
		return;
	if (info->ssi_signo == SIGCONT && !is_stopped(owner->pid))
		return;
	pidfd_send_signal(owner->pidfd, (int)info->ssi_signo, NULL, 0);
}

static void attached_signal(struct owner *owner, unsigned int number)
{
	switch (number) {
	case SIGINT:
	case SIGTERM:
	case SIGHUP:
	case SIGQUIT:
		owner->impatient = owner->detach_wanted;
		owner->detach_wanted = true;
		break;
	case SIGTSTP:
		say_line("not stopping, since the program's pages are served from here; Ctrl-C "
			 "detaches");
		break;
	}
}

void signals_take(struct owner *owner)
{
	struct signalfd_siginfo info;

	while (read(owner->signals, &info, sizeof(info)) == sizeof(info)) {
		if (!owner->config.is_parent) {
			attached_signal(owner, info.ssi_signo);
		} else if (info.ssi_signo == SIGCHLD) {
			follow_stop(owner);
			reap_adopted(owner);
		} else {
			pass_on(owner, &info);
		}
	}
}
