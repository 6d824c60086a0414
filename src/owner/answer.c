/* SPDX-License-Identifier: MIT */
/* Answers to the requests of clients. */
#include "owner/answer.h"

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

/* What an answer has beside "ok": at most one member. */
struct reply {
	const char *member;
	struct json_object *value;
};

static void send_reply(struct client *client, const struct reply *reply)
{
	struct json_object *object = json_object_new_object();

	if (object) {
		json_object_object_add(object, "ok", json_object_new_boolean(1));
		if (reply->member)
			json_object_object_add(object, reply->member, reply->value);
	} else {
		json_object_put(reply->value);
	}
	client_send(client, object);
}

/* 0 with what the reply has, or -errno with a message. */
typedef int (*answer_fn)(struct owner *owner, struct client *client, const struct request *request,
			 struct reply *reply, char message[MESSAGE_BYTES]);

static int answer_report(struct owner *owner, struct client *client, const struct request *request,
			 struct reply *reply, char message[MESSAGE_BYTES])
{
	struct report report;

	work_report(owner, &report);
	*reply = (struct reply){"report", report_to_json(&report)};
	return 0;
}

static int answer_limit(struct owner *owner, struct client *client, const struct request *request,
			struct reply *reply, char message[MESSAGE_BYTES])
{
	int result;

	if (request->group.name[0])
		return pager_group_change(owner->pager, &request->group, message);
	result = pager_set_limit(owner->pager, request->group.limit_bytes, message);
	if (!result) {
		cgroup_budget_close(&owner->following);
		owner->following = (struct cgroup_budget){0};
		pager_set_strict(owner->pager, false);
	}
	return result;
}

static int answer_follow(struct owner *owner, struct client *client, const struct request *request,
			 struct reply *reply, char message[MESSAGE_BYTES])
{
	struct cgroup_budget following;
	int result = cgroup_budget_open(&following, "", owner->pid, pager_least_limit(), message);

	if (result)
		return result;
	cgroup_budget_close(&owner->following);
	owner->following = following;
	harden_hurry();
	pager_set_strict(owner->pager, true);
	return pager_set_limit(owner->pager, following.budget, message);
}

/* Who asks goes into the group. */
static int answer_group(struct owner *owner, struct client *client, const struct request *request,
			struct reply *reply, char message[MESSAGE_BYTES])
{
	char path[GROUP_PATH];
	int result =
		pager_group_enter(owner->pager, client_pid(client), &request->group, path, message);

	if (!result)
		*reply = (struct reply){"group", json_object_new_string(path)};
	return result;
}

static int answer_thaw(struct owner *owner, struct client *client, const struct request *request,
		       struct reply *reply, char message[MESSAGE_BYTES])
{
	return work_thaw(owner, client, message);
}

static int answer_detach(struct owner *owner, struct client *client, const struct request *request,
			 struct reply *reply, char message[MESSAGE_BYTES])
{
	return work_detach(owner, client, request->lose, message);
}

static int answer_where(struct owner *owner, struct client *client, const struct request *request,
			struct reply *reply, char message[MESSAGE_BYTES])
{
	pid_t pid = request->pid ? request->pid : owner->pid;
	struct pager_where where = {0};
	int result = pager_where(owner->pager, pid, request->address, &where);

	if (result)
		return explain(message, result,
			       "process %d is no part of the job of process %d, or has ended",
			       (int)pid, (int)owner->pid);
	*reply = (struct reply){"where", where_to_json(&where)};
	return 0;
}

static const struct {
	answer_fn answer;
	bool afterwards; /* also when the program has been detached */
} answers[REQUEST_KINDS] = {
	[REQUEST_REPORT] = {answer_report, true}, [REQUEST_LIMIT] = {answer_limit},
	[REQUEST_FOLLOW] = {answer_follow},	  [REQUEST_GROUP] = {answer_group},
	[REQUEST_THAW] = {answer_thaw},		  [REQUEST_DETACH] = {answer_detach},
	[REQUEST_WHERE] = {answer_where},
};

void answer(void *argument, struct client *client, const struct request *request)
{
	struct owner *owner = argument;
	char message[MESSAGE_BYTES] = "the program has just been detached";
	struct reply reply = {0};

	if ((owner->pager || answers[request->kind].afterwards) &&
	    !answers[request->kind].answer(owner, client, request, &reply, message))
		send_reply(client, &reply);
	else
		client_fail(client, message);
}
