/* SPDX-License-Identifier: MIT */
/*
 * Signals.
 * While the program is our child, the terminal's signals reach it by themselves (same process
 * group): the owner only takes them out of its own way, and passes on what somebody sent to the
 * owner alone. Ctrl-Z stops the program first and then the owner, since the shell waits for the
 * owner; keepers have it go on when it is needed (attach/nap.h).
 */
#include "owner/signals.h"

#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "attach/trace.h"
#include "base/clock.h"
#include "base/proc.h"
#include "base/say.h"
#include "owner/owner.h"
#include "owner/owner_state.h"
#include "pager/nap.h"

/* So long after it was told of a stop may the program take to stand still, ns. */
#define FOLLOW_NS 1000000000u
/* So long it is waited until nobody needs us, before we stop all the same, for a moment, ns. */
#define ANYWAY_NS 300000000u
/* After so long we stop again when we were woken, ns: 4 times as long each time, so often at most.
 */
#define WOKEN_NS   100000000ull
#define WOKEN_MOST 4u
/* How long one that is to be continued may take to stand still. */
#define STOPPING_LOOKS	  5
#define STOPPING_PAUSE_US 1000

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
	return proc_state(pid) == 'T';
}

/*
 * What is seen of a process that lives is taken only while no thread of ours traces: it may be the
 * stop that such a thread waits for. Taken, a signal that it stopped for would be lost, too.
 */
static bool look_at(idtype_t type, pid_t id, int what, siginfo_t *info)
{
	*info = (siginfo_t){0};
	return !waitid(type, (id_t)id, info, what | WNOHANG | WNOWAIT | __WNOTHREAD) &&
	       info->si_pid;
}

/* The shell waits for us: we stop as the program has. Whoever needs us meanwhile has us woken.
 * False: not now. */
static bool stop_too(struct owner *owner, bool anyway)
{
	struct pollfd polls[1 + CONTROL_POLLS] = {{.fd = owner->pidfd, .events = POLLIN}};
	unsigned int count = 1;

	if (!owner->pager)
		return !kill(getpid(), SIGSTOP);
	if (owner->control)
		count += control_polls(owner->control, polls + 1);
	return pager_nap(owner->pager, owner->pid, polls, count, anyway);
}

/*
 * While it is traced a stop cannot be seen, and nobody tells of it afterwards: it is looked for
 * once it is not. It may have been about to stop anew then, since it was let go. (Nobody is traced
 * while we are stopped: it would stand still as long.)
 */
void signals_follow_stop(struct owner *owner)
{
	uint64_t now = monotonic_ns();
	siginfo_t info = {0};
	bool late, done;

	if (!owner->stop_ns || owner->gone || now < owner->stop_ns || !trace_pause(false))
		return;
	if (!waitid(P_PIDFD, (id_t)owner->pidfd, &info, WSTOPPED | WNOHANG) && info.si_pid) {
		owner->stop_seen = true;
		owner->woken = 0;
	}
	late = now - owner->stop_ns > FOLLOW_NS;
	done = late || !owner->stop_seen;
	if (owner->stop_seen && is_stopped(owner->pid))
		done |= stop_too(owner, !owner->woken && now - owner->stop_ns > ANYWAY_NS);
	trace_go_on();
	if (done) {
		owner->stop_ns = 0;
		owner->stop_seen = false;
	}
}

/* A keeper had us go on, since somebody needed us. The shell believes now that the program goes on,
 * too: if it does not, we stop again after a while, each time a longer one. */
static void was_woken(struct owner *owner)
{
	owner->stop_seen = owner->woken < WOKEN_MOST;
	owner->stop_ns = monotonic_ns() + (WOKEN_NS << 2 * owner->woken++);
}

/*
 * It stands still since we did, or will at once: it was traced. One that was continued with us, and
 * may have begun to stop anew, must not be continued again: that it was is known until it has
 * stopped, and then that is.
 */
static bool awaits_us(const struct owner *owner)
{
	bool waits = false, knows = false;
	siginfo_t info;

	trace_pause(true);
	for (int looks = 0; looks < STOPPING_LOOKS && !waits && !knows; looks++) {
		if (looks)
			usleep(STOPPING_PAUSE_US);
		waits = is_stopped(owner->pid);
		knows = look_at(P_PIDFD, owner->pidfd, WSTOPPED | WCONTINUED, &info);
	}
	trace_go_on();
	return waits && !knows;
}

static bool has_ended(const siginfo_t *info)
{
	return info->si_code == CLD_EXITED || info->si_code == CLD_KILLED ||
	       info->si_code == CLD_DUMPED;
}

static bool reap(void *argument, pid_t pid)
{
	const struct owner *owner = argument;
	siginfo_t info;

	if (pid != owner->pid && look_at(P_PID, pid, WEXITED, &info) && has_ended(&info))
		waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG);
	return false;
}

/* Processes of the job whose parent has ended are our children now, and nobody else waits for them.
 */
static void reap_adopted(struct owner *owner)
{
	siginfo_t info;

	/* Each is asked for: one that is traced hides those behind it. */
	if (look_at(P_ALL, 0, WEXITED, &info))
		proc_each_child(getpid(), reap, owner);
}

static bool is_from_keeper(const struct owner *owner, pid_t pid)
{
	return owner->pager && pager_is_keeper(owner->pager, pid);
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
	if (info->ssi_signo == SIGCONT && is_from_keeper(owner, (pid_t)info->ssi_pid)) {
		was_woken(owner);
		return;
	}
	if (info->ssi_signo == SIGCONT && !awaits_us(owner))
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
			owner->stop_ns = monotonic_ns(); /* the loop follows it */
			reap_adopted(owner);
		} else {
			pass_on(owner, &info);
		}
	}
}
