/* SPDX-License-Identifier: MIT */
#include "owner/work.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include "base/proc.h"
#include "base/say.h"
#include "control/progress.h"
#include "control/socket.h"
#include "owner/owner_state.h"
#include "owner/signals.h"
#include "pager/pager.h"

void work_report(struct owner *owner, struct report *report)
{
	const char *command = owner->config.command, *slash;

	if (!owner->pager) {
		*report = owner->last;
	} else {
		memset(report, 0, sizeof(*report));
		report->exit_status = -1;
		pager_report(owner->pager, report);
	}
	report->pid = owner->pid;
	report->attached |= owner->was_attached;
	snprintf(report->cgroup, sizeof(report->cgroup), "%s", owner->following.path);
	report->cgroup_limit_bytes = owner->following.limit;
	if (!report->command[0])
		memcpy(report->command, owner->name, sizeof(owner->name));
	if (command) {
		slash = strrchr(command, '/');
		snprintf(report->command, sizeof(report->command), "%s",
			 slash && slash[1] ? slash + 1 : command);
		proc_clean(report->command);
	}
	if (WIFEXITED(owner->wait_status))
		report->exit_status = WEXITSTATUS(owner->wait_status);
	else if (owner->wait_status >= 0 && WIFSIGNALED(owner->wait_status))
		report->exit_status = 128 + WTERMSIG(owner->wait_status);
}

/* Once the program is gone its pager no longer knows that it was attached. */
void work_remember(struct owner *owner)
{
	struct report report;

	work_report(owner, &report);
	owner->was_attached |= report.attached != 0;
}

void work_meanwhile(void *argument)
{
	struct owner *owner = argument;

	if (!owner->control)
		return;
	owner->at_work = true;
	control_serve_others(owner->control);
	owner->at_work = false;
}

struct long_work {
	struct owner *owner;
	struct client *client;	  /* NULL: a signal asked */
	struct progress progress; /* on our own terminal */
};

static void work_progress(void *argument, uint64_t done, uint64_t total)
{
	struct long_work *work = argument;

	signals_take(work->owner);
	if (work->owner->impatient) {
		progress_end(&work->progress);
		say_line("still bringing pages back; the program would lose its data if this "
			 "stopped half way");
		work->owner->impatient = false;
	}
	if (work->client)
		client_progress(work->client, done, total);
	if (!work->owner->config.is_parent)
		progress_show(&work->progress, done, total);
}

int work_detach(struct owner *owner, struct client *client, bool lose, char message[MESSAGE_BYTES])
{
	struct long_work work = {
		.owner = owner, .client = client, .progress = {.what = "bringing back"}};
	int result;

	owner->detach_wanted = true;
	work_remember(owner);
	result = pager_detach(owner->pager, lose, work_progress, &work, message);
	progress_end(&work.progress);
	owner->detach_wanted = false;
	if (result)
		return result;
	work_report(owner, &owner->last);
	owner->detached = true;
	pager_close(owner->pager);
	owner->pager = NULL;
	return 0;
}

int work_thaw(struct owner *owner, struct client *client, char message[MESSAGE_BYTES])
{
	struct long_work work = {
		.owner = owner, .client = client, .progress = {.what = "bringing in"}};
	int result = pager_thaw(owner->pager, work_progress, &work, message);

	progress_end(&work.progress);
	return result;
}

int work_remove(struct owner *owner, struct client *client, const struct request *request,
		struct pager_removal *removal, char message[MESSAGE_BYTES])
{
	int result = 0;

	if (owner->remover != client)
		result = pager_backend_remove(owner->pager, request->backend, request->lose,
					      message);
	if (result)
		return result;
	owner->remover = client;
	owner->remover_waits = true;
	result = pager_backend_removal(owner->pager, removal, message);
	if (result == -EINPROGRESS)
		client_progress(client, removal->done_bytes, removal->total_bytes);
	else
		owner->remover = NULL;
	return result;
}

void work_remove_tick(struct owner *owner)
{
	if (owner->remover && !owner->remover_waits) {
		owner->remover = NULL;
		if (owner->pager)
			pager_backend_keep(owner->pager);
	}
	owner->remover_waits = false;
}
