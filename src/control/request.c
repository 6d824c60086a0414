/* SPDX-License-Identifier: MIT */
#include "control/request.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include "base/message.h"

/* Requests are flat; deeper nesting is garbage and not worth a stack. */
#define REQUEST_DEPTH 4

static const struct {
	const char *name;
	enum request_kind kind;
	const char *number; /* the member it needs */
} request_kinds[] = {
	{"report", REQUEST_REPORT, NULL},    {"limit", REQUEST_LIMIT, "bytes"},
	{"follow", REQUEST_FOLLOW, NULL},    {"group", REQUEST_GROUP, NULL},
	{"thaw", REQUEST_THAW, NULL},	     {"detach", REQUEST_DETACH, NULL},
	{"where", REQUEST_WHERE, "address"},
};

static int refuse(char *message, const char *why)
{
	return explain(message, -EINVAL, "the request was not understood: %s", why);
}

static struct json_object *parse_object(const char *line, size_t length)
{
	struct json_tokener *tokener = json_tokener_new_ex(REQUEST_DEPTH);
	struct json_object *object = NULL;

	if (!tokener)
		return NULL;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	if (length && length < REQUEST_BYTES) {
		object = json_tokener_parse_ex(tokener, line, (int)length);
		if (json_tokener_get_error(tokener) != json_tokener_success ||
		    json_tokener_get_parse_end(tokener) != length) {
			json_object_put(object);
			object = NULL;
		}
	}
	json_tokener_free(tokener);
	if (object && !json_object_is_type(object, json_type_object)) {
		json_object_put(object);
		object = NULL;
	}
	return object;
}

static int parse_number(struct json_object *object, const char *name, uint64_t *number,
			char *message)
{
	struct json_object *value;
	char why[MESSAGE_BYTES];

	snprintf(why, sizeof(why), "\"%s\" must be a whole number, not negative", name);
	if (!json_object_object_get_ex(object, name, &value) ||
	    !json_object_is_type(value, json_type_int))
		return refuse(message, why);
	/* json-c saturates: a negative number reads as 0 here and below 0 as int64. */
	if (json_object_get_int64(value) < 0)
		return refuse(message, why);
	*number = json_object_get_uint64(value);
	return 0;
}

/* A member that is true or false, if it is there. */
static int parse_flag(struct json_object *object, const char *name, bool *flag, char *message)
{
	struct json_object *value;
	char why[MESSAGE_BYTES];

	snprintf(why, sizeof(why), "\"%s\" must be true or false", name);
	*flag = false;
	if (!json_object_object_get_ex(object, name, &value))
		return 0;
	if (!json_object_is_type(value, json_type_boolean))
		return refuse(message, why);
	*flag = json_object_get_boolean(value);
	return 0;
}

/* The text of a member, if it is there. */
static int parse_text(struct json_object *object, const char *name, char *text, size_t room,
		      char *message)
{
	struct json_object *value;
	char why[MESSAGE_BYTES];
	size_t length;

	text[0] = '\0';
	if (!json_object_object_get_ex(object, name, &value))
		return 0;
	length = (size_t)json_object_get_string_len(value);
	snprintf(why, sizeof(why), "\"%s\" must be a text of 1 to %zu bytes", name, room - 1);
	if (!json_object_is_type(value, json_type_string) || !length || length >= room ||
	    strlen(json_object_get_string(value)) != length)
		return refuse(message, why);
	memcpy(text, json_object_get_string(value), length + 1);
	return 0;
}

/* What is asked of the group whose name or path the member `name` says. */
static int parse_group(struct json_object *object, const char *name, struct group_settings *group,
		       char *message)
{
	uint64_t weight = 0;
	int error = parse_text(object, name, group->name, sizeof(group->name), message);

	group->has_limit = json_object_object_get_ex(object, "bytes", NULL);
	if (!error)
		error = parse_text(object, "tiers", group->tiers, sizeof(group->tiers), message);
	if (!error && group->has_limit)
		error = parse_number(object, "bytes", &group->limit_bytes, message);
	if (error || !json_object_object_get_ex(object, "weight", NULL))
		return error;
	error = parse_number(object, "weight", &weight, message);
	if (!error)
		error = group_check_weight(weight, message);
	if (!error)
		group->weight = (unsigned int)weight;
	return error;
}

/* The process that the request is about, if it names one. */
static int parse_pid(struct json_object *object, int *pid, char *message)
{
	uint64_t number = 0;
	int error = 0;

	if (json_object_object_get_ex(object, "pid", NULL))
		error = parse_number(object, "pid", &number, message);
	if (number > INT32_MAX)
		return refuse(message, "\"pid\" is no process id");
	*pid = (int)number;
	return error;
}

static int parse_members(struct json_object *object, struct request *request, char *message)
{
	struct json_object *value;
	const char *name;

	if (!json_object_object_get_ex(object, "request", &value) ||
	    !json_object_is_type(value, json_type_string))
		return refuse(message, "\"request\" is missing");
	name = json_object_get_string(value);
	for (size_t i = 0; i < sizeof(request_kinds) / sizeof(request_kinds[0]); i++) {
		if (strcmp(name, request_kinds[i].name))
			continue;
		request->kind = request_kinds[i].kind;
		if (request->kind == REQUEST_GROUP &&
		    !json_object_object_get_ex(object, "name", NULL))
			return refuse(message, "\"name\" is missing");
		if (request->kind == REQUEST_GROUP)
			return parse_group(object, "name", &request->group, message);
		if (request->kind == REQUEST_LIMIT &&
		    json_object_object_get_ex(object, "group", NULL))
			return parse_group(object, "group", &request->group, message);
		if (request->kind == REQUEST_DETACH)
			return parse_flag(object, "lose", &request->lose, message);
		if (!request_kinds[i].number)
			return 0;
		if (request->kind == REQUEST_WHERE && parse_pid(object, &request->pid, message))
			return -EINVAL;
		return parse_number(object, request_kinds[i].number, &request->number, message);
	}
	return refuse(message, "it is none of report, limit, follow, group, thaw, detach, where");
}

int request_parse(const char *line, size_t length, struct request *request, char *message)
{
	struct json_object *object = parse_object(line, length);
	int result;

	memset(request, 0, sizeof(*request));
	if (!object)
		return refuse(message, "it is not one JSON object on one line");
	result = parse_members(object, request, message);
	json_object_put(object);
	return result;
}
