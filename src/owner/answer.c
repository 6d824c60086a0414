/* SPDX-License-Identifier: MIT */
/* Answers to the requests of clients. */
#include "owner/answer.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include "base/message.h"
#include "cgroup/cgroup_budget.h"
#include "control/report.h"
#include "control/request.h"
#include "control/socket.h"
#include "owner/harden.h"
#include "owner/owner_state.h"
#include "owner/work.h"
#include "pager/limits/group.h"
#include "pager/pager.h"

struct asked {
	struct owner *owner;
	struct client *client;
	const struct request *request;
	char message[MESSAGE_BYTES]; /* why not */
	/* What the answer has beside "ok"; NULL: nothing. */
	const char *member;
	struct json_object *value;
};

static void reply_ok(const struct asked *asked)
{
	struct json_object *object = json_object_new_object();

	if (object) {
		json_object_object_add(object, "ok", json_object_new_boolean(1));
		if (asked->member)
			json_object_object_add(object, asked->member, asked->value);
	} else {
		json_object_put(asked->value);
	}
	client_send(asked->client, object);
}

/* 0, or -errno with a message; -EINPROGRESS: it is asked again. */
typedef int (*answer_fn)(struct asked *asked);

static int answer_report(struct asked *asked)
{
	struct report report;

	work_report(asked->owner, &report);
	asked->member = "report";
	asked->value = report_to_json(&report);
	return 0;
}

static int answer_limit(struct asked *asked)
{
	struct owner *owner = asked->owner;
	int result;

	if (asked->request->group.name[0])
		return pager_group_change(owner->pager, &asked->request->group, asked->message);
	result = pager_set_limit(owner->pager, asked->request->group.limit_bytes, asked->message);
	if (!result) {
		cgroup_budget_close(&owner->following);
		owner->following = (struct cgroup_budget){0};
		pager_set_strict(owner->pager, false);
	}
	return result;
}

static int answer_follow(struct asked *asked)
{
	struct owner *owner = asked->owner;
	struct cgroup_budget following;
	int result =
		cgroup_budget_open(&following, "", owner->pid, pager_least_limit(), asked->message);

	if (result)
		return result;
	cgroup_budget_close(&owner->following);
	owner->following = following;
	harden_hurry();
	pager_set_strict(owner->pager, true);
	return pager_set_limit(owner->pager, following.budget, asked->message);
}

/* Who asks goes into the group. */
static int answer_group(struct asked *asked)
{
	char path[GROUP_PATH];
	int result = pager_group_enter(asked->owner->pager, client_pid(asked->client),
				       &asked->request->group, path, asked->message);

	asked->member = "group";
	if (!result)
		asked->value = json_object_new_string(path);
	return result;
}

static int answer_thaw(struct asked *asked)
{
	return work_thaw(asked->owner, asked->client, asked->message);
}

static int answer_detach(struct asked *asked)
{
	return work_detach(asked->owner, asked->client, asked->request->lose, asked->message);
}

static int answer_backend_add(struct asked *asked)
{
	char name[sizeof(asked->request->backend)];
	int result = pager_backend_add(asked->owner->pager, asked->request->spec, name,
				       sizeof(name), asked->message);

	asked->member = "added";
	if (!result) {
		asked->value = json_object_new_object();
		json_object_object_add(asked->value, "name", json_object_new_string(name));
		json_object_object_add(asked->value, "note",
				       json_object_new_string(asked->message));
	}
	return result;
}

static int answer_backend_set(struct asked *asked)
{
	return pager_backend_set(asked->owner->pager, asked->request->backend,
				 asked->request->priority, asked->message);
}

static int answer_backend_remove(struct asked *asked)
{
	struct pager_removal removal;
	int result =
		work_remove(asked->owner, asked->client, asked->request, &removal, asked->message);

	asked->member = "removed";
	if (!result)
		asked->value = removal_to_json(&removal);
	return result;
}

static int answer_where(struct asked *asked)
{
	struct owner *owner = asked->owner;
	pid_t pid = asked->request->pid ? asked->request->pid : owner->pid;
	struct pager_where where = {0};
	int result = pager_where(owner->pager, pid, asked->request->address, &where);

	if (result)
		return explain(asked->message, result,
			       "process %d is no part of the job of process %d, or has ended",
			       (int)pid, (int)owner->pid);
	asked->member = "where";
	asked->value = where_to_json(&where);
	return 0;
}

static const struct {
	answer_fn answer;
	bool afterwards; /* also when the program has been detached */
	bool meanwhile;	 /* also when the pager is at work for long: nothing changes by it */
} answers[REQUEST_KINDS] = {
	[REQUEST_REPORT] = {.answer = answer_report, .afterwards = true, .meanwhile = true},
	[REQUEST_LIMIT] = {.answer = answer_limit},
	[REQUEST_FOLLOW] = {.answer = answer_follow},
	[REQUEST_GROUP] = {.answer = answer_group},
	[REQUEST_THAW] = {.answer = answer_thaw},
	[REQUEST_DETACH] = {.answer = answer_detach},
	[REQUEST_WHERE] = {.answer = answer_where, .meanwhile = true},
	[REQUEST_BACKEND_ADD] = {.answer = answer_backend_add},
	[REQUEST_BACKEND_SET] = {.answer = answer_backend_set},
	[REQUEST_BACKEND_REMOVE] = {.answer = answer_backend_remove},
};

bool answer(void *argument, struct client *client, const struct request *request)
{
	struct asked asked = {.owner = argument,
			      .client = client,
			      .request = request,
			      .message = "the program has just been detached"};
	const struct owner *owner = argument;
	int result = -ESRCH;

	if (owner->at_work && !answers[request->kind].meanwhile)
		return false;
	if (owner->pager || answers[request->kind].afterwards)
		result = answers[request->kind].answer(&asked);
	if (result == -EINPROGRESS)
		return false;
	if (result)
		client_fail(client, asked.message);
	else
		reply_ok(&asked);
	return true;
}
