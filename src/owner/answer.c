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

static void reply_ok(struct client *client, const char *member, struct json_object *value)
{
	struct json_object *object = json_object_new_object();

	if (object) {
		json_object_object_add(object, "ok", json_object_new_boolean(1));
		if (member)
			json_object_object_add(object, member, value);
	}
	client_send(client, object);
}

static struct json_object *where_to_json(const struct pager_where *where)
{
	struct json_object *object = json_object_new_object();

	if (!object)
		return NULL;
	json_object_object_add(object, "state", json_object_new_string(where->state));
	json_object_object_add(object, "slot", json_object_new_uint64(where->slot));
	json_object_object_add(object, "codec", json_object_new_string(where->codec));
	json_object_object_add(object, "bytes", json_object_new_uint64(where->bytes));
	json_object_object_add(object, "pages", json_object_new_uint64(where->pages));
	json_object_object_add(object, "sharers", json_object_new_uint64(where->sharers));
	json_object_object_add(object, "segment", json_object_new_uint64(where->segment));
	json_object_object_add(object, "place", json_object_new_string(where->place));
	return object;
}

static int answer_limit(struct owner *owner, const struct request *request,
			char message[MESSAGE_BYTES])
{
	int result;

	if (request->group.name[0])
		return pager_group_change(owner->pager, &request->group, message);
	result = pager_set_limit(owner->pager, request->number, message);
	if (!result) {
		cgroup_budget_close(&owner->following);
		owner->following = (struct cgroup_budget){0};
		pager_set_strict(owner->pager, false);
	}
	return result;
}

static int answer_follow(struct owner *owner, char message[MESSAGE_BYTES])
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
static void answer_group(struct owner *owner, struct client *client, const struct request *request)
{
	char message[MESSAGE_BYTES], path[GROUP_PATH];

	if (pager_group_enter(owner->pager, client_pid(client), &request->group, path, message))
		client_fail(client, message);
	else
		reply_ok(client, "group", json_object_new_string(path));
}

void answer(void *argument, struct client *client, const struct request *request)
{
	struct owner *owner = argument;
	char message[MESSAGE_BYTES] = "the program has just been detached";
	struct pager_where where = {0};
	struct report report;
	pid_t pid;
	int result = 0;

	if (!owner->pager && request->kind != REQUEST_REPORT) {
		client_fail(client, message);
		return;
	}
	switch (request->kind) {
	case REQUEST_REPORT:
		work_report(owner, &report);
		reply_ok(client, "report", report_to_json(&report));
		return;
	case REQUEST_LIMIT:
		result = answer_limit(owner, request, message);
		break;
	case REQUEST_FOLLOW:
		result = answer_follow(owner, message);
		break;
	case REQUEST_GROUP:
		answer_group(owner, client, request);
		return;
	case REQUEST_THAW:
		result = work_thaw(owner, client, message);
		break;
	case REQUEST_DETACH:
		result = work_detach(owner, client, request->lose, message);
		break;
	case REQUEST_WHERE:
		pid = request->pid ? request->pid : owner->pid;
		result = pager_where(owner->pager, pid, request->number, &where);
		if (!result) {
			reply_ok(client, "where", where_to_json(&where));
			return;
		}
		snprintf(message, sizeof(message),
			 "process %d is no part of the job of process %d, or has ended", (int)pid,
			 (int)owner->pid);
		break;
	}
	if (result)
		client_fail(client, message);
	else
		reply_ok(client, NULL, NULL);
}
