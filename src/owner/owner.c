/* SPDX-License-Identifier: MIT */
/*
 * The owner's life: opening, the loop, the end.
 */
#include "owner/owner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/proc.h"
#include "base/say.h"
#include "cgroup/cgroup_budget.h"
#include "control/show.h"
#include "control/socket.h"
#include "owner/answer.h"
#include "owner/harden.h"
#include "owner/owner_state.h"
#include "owner/signals.h"
#include "owner/stats.h"
#include "owner/work.h"
#include "pager/pager.h"

#define TICK_MOST_US	 1000000
#define TICK_CHILDREN_US 20000
#define TICK_CGROUP_US	 50000
#define TICK_STOP_US	 1000
#define NOTICE_NS	 1000000000ull
/* How long the last words wait for who reads them. */
#define LAST_WORDS_MS 1000

enum { POLL_SIGNALS, POLL_PROGRAM, POLL_KEEPERS, POLL_CONTROL = POLL_KEEPERS + PAGER_KEEPERS };

static void say(void *argument, const char *line)
{
	(void)argument;
	say_line(line);
}

static void notice(const struct owner *owner, const char *line)
{
	if (!owner->config.quiet)
		say(NULL, line);
}

/* The budget to begin with. 0 or -errno with a message. */
static int first_budget(struct owner *owner, uint64_t *bytes, char message[MESSAGE_BYTES])
{
	int result;

	if (!owner->config.cgroup)
		return 0;
	result =
		cgroup_budget_open(&owner->following, "", owner->pid, pager_least_limit(), message);
	*bytes = owner->following.budget;
	if (!result)
		harden_hurry();
	return result;
}

int owner_open(struct owner **out, const struct owner_config *config, pid_t pid,
	       char message[MESSAGE_BYTES])
{
	struct owner *owner = calloc(1, sizeof(*owner));
	struct pager_config pager = {.limit_bytes = config->limit_bytes,
				     .backends = config->backends,
				     .backend_count = config->backend_count,
				     .no_children = config->no_children,
				     .say = say,
				     .meanwhile = work_meanwhile,
				     .meanwhile_argument = owner};
	sigset_t set;
	int result;

	if (!owner)
		return explain(message, -ENOMEM, "out of memory");
	say_start();
	owner->config = *config;
	owner->pid = pid;
	owner->pidfd = -1;
	owner->wait_status = -1;
	signals_handled(&set);
	owner->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	result = owner->signals < 0 ? -errno : 0;
	if (result)
		explain(message, 0, "signalfd: %s", strerror(-result));
	if (!result)
		result = first_budget(owner, &pager.limit_bytes, message);
	if (!result)
		result = stats_open(&owner->stats, config->stats_path, message);
	if (!result) {
		/* Inherited as ignored it would have the kernel reap the program for us. */
		signal(SIGCHLD, SIG_DFL);
		harden_owner();
		/* Daemons of the job come back to us when their parents end. */
		if (config->is_parent)
			prctl(PR_SET_CHILD_SUBREAPER, 1);
		result = pager_open(&owner->pager, &pager, message);
	}
	if (!result)
		pager_set_strict(owner->pager, config->cgroup);
	if (result) {
		owner->pager = NULL;
		owner_close(owner);
		return result;
	}
	*out = owner;
	return 0;
}

static void detach_by_signal(struct owner *owner)
{
	char message[MESSAGE_BYTES];

	if (!owner->pager || owner->gone) {
		owner->detach_wanted = false;
		return;
	}
	if (work_detach(owner, NULL, false, message))
		say(NULL, message);
}

void owner_listen(struct owner *owner)
{
	char message[MESSAGE_BYTES];

	if (control_open(&owner->control, owner->pid, answer, owner, message))
		say(NULL, message);
}

int owner_take(struct owner *owner, int pidfd, char message[MESSAGE_BYTES])
{
	owner->pidfd = pidfd;
	proc_command(owner->pid, owner->name, sizeof(owner->name));
	return pager_adopt(owner->pager, owner->pid, message);
}

/* ---- the loop ---- */

static void program_ended(struct owner *owner)
{
	siginfo_t info = {0};

	if (owner->config.is_parent &&
	    !waitid(P_PIDFD, (id_t)owner->pidfd, &info, WEXITED | WNOHANG) && info.si_pid)
		owner->wait_status = info.si_code == CLD_EXITED	  ? W_EXITCODE(info.si_status, 0)
				     : info.si_code == CLD_DUMPED ? info.si_status | WCOREFLAG
								  : info.si_status;
	owner->gone = true;
	owner->gone_ns = monotonic_ns();
	if (owner->pager)
		work_remember(owner);
}

static bool is_done(struct owner *owner)
{
	if (owner->detached && !owner->config.is_parent)
		return true;
	return owner->gone && (!owner->pager || !pager_has_processes(owner->pager));
}

/* Forked children live in this space; leaving would kill them. */
static void tell_waiting(struct owner *owner)
{
	if (!owner->gone || owner->told_waiting || monotonic_ns() - owner->gone_ns < NOTICE_NS)
		return;
	owner->told_waiting = true;
	notice(owner, "the program has ended; waiting for processes that it left behind");
}

/* The budget goes where the cgroup's limit goes. */
static void follow_cgroup(struct owner *owner)
{
	char message[MESSAGE_BYTES];
	struct cgroup_part part;

	pager_used(owner->pager, &part.job, &part.caller);
	if (cgroup_budget_look(&owner->following, &part, monotonic_ns(), message))
		pager_adjust_limit(owner->pager, owner->following.budget);
	if (message[0])
		say(NULL, message);
}

/* Microseconds to sleep. */
static int tick(struct owner *owner)
{
	int sleep_us = owner->pager ? pager_tick(owner->pager) : TICK_MOST_US;

	if (owner->pager && owner->following.cgroup) {
		follow_cgroup(owner);
		if (sleep_us > TICK_CGROUP_US)
			sleep_us = TICK_CGROUP_US;
	}

	if (sleep_us < 0 || (owner->remover && sleep_us > TICK_CHILDREN_US))
		sleep_us = TICK_CHILDREN_US;
	signals_follow_stop(owner);
	if (owner->stop_ns && sleep_us > TICK_STOP_US)
		sleep_us = TICK_STOP_US;
	return sleep_us < TICK_MOST_US ? sleep_us : TICK_MOST_US;
}

static void wait_and_serve(struct owner *owner, int sleep_us)
{
	struct timespec timeout = {.tv_sec = sleep_us / 1000000,
				   .tv_nsec = sleep_us % 1000000 * 1000L};
	struct pollfd polls[POLL_CONTROL + CONTROL_POLLS];
	unsigned int count = 0;

	polls[POLL_SIGNALS] = (struct pollfd){.fd = owner->signals, .events = POLLIN};
	polls[POLL_PROGRAM] =
		(struct pollfd){.fd = owner->gone ? -1 : owner->pidfd, .events = POLLIN};
	for (int i = 0; i < PAGER_KEEPERS; i++)
		polls[POLL_KEEPERS + i].fd = -1;
	/* Only wakes us: the next tick looks after them. */
	if (owner->pager)
		pager_keeper_polls(owner->pager, polls + POLL_KEEPERS);
	if (owner->control)
		count = control_polls(owner->control, polls + POLL_CONTROL);
	if (ppoll(polls, POLL_CONTROL + count, &timeout, NULL) <= 0)
		return;
	if (polls[POLL_SIGNALS].revents)
		signals_take(owner);
	if (polls[POLL_PROGRAM].revents)
		program_ended(owner);
	if (count)
		control_serve(owner->control, polls + POLL_CONTROL, count);
}

static void say_summary(const struct report *report)
{
	char *text = NULL;
	size_t bytes;
	FILE *to = open_memstream(&text, &bytes);

	if (!to)
		return;
	report_summary(report, to);
	if (!fclose(to))
		say_text(text);
	free(text);
}

/* What remains to be said once the program needs us no more. */
static int finish(struct owner *owner)
{
	char line[MESSAGE_BYTES];
	struct report report;
	int result;

	work_report(owner, &report);
	result = stats_commit(&owner->stats, &report);
	if (result) {
		snprintf(line, sizeof(line),
			 "cannot write %s: %s; the program's own work is not affected",
			 owner->config.stats_path, strerror(-result));
		say_line(line);
	}
	if (!owner->config.quiet)
		say_summary(&report);
	return result;
}

int owner_loop(struct owner *owner)
{
	while (!is_done(owner)) {
		int sleep_us = tick(owner);

		wait_and_serve(owner, sleep_us);
		if (owner->detach_wanted)
			detach_by_signal(owner);
		if (owner->control)
			control_resume(owner->control);
		work_remove_tick(owner);
		if (owner->detached) {
			control_close(owner->control);
			owner->control = NULL;
		}
		tell_waiting(owner);
	}
	return finish(owner);
}

int owner_wait_status(const struct owner *owner)
{
	return owner->wait_status;
}

void owner_close(struct owner *owner)
{
	control_close(owner->control);
	if (owner->pager)
		pager_close(owner->pager);
	cgroup_budget_close(&owner->following);
	stats_abandon(&owner->stats);
	if (owner->signals >= 0)
		close(owner->signals);
	if (owner->pidfd >= 0)
		close(owner->pidfd);
	free(owner);
	say_flush(LAST_WORDS_MS);
}
