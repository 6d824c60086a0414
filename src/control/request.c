/* SPDX-License-Identifier: MIT */
#include "control/request.h"

#include <errno.h>
#include <json-c/json.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "base/message.h"
#include "pager/backends.h"

/* Requests are flat; deeper nesting is garbage and not worth a stack. */
#define REQUEST_DEPTH 4

enum argument_type { TYPE_NUMBER, TYPE_PID, TYPE_WEIGHT, TYPE_FLAG, TYPE_TEXT, TYPE_PRIORITY };

struct argument {
	const char *name;
	enum argument_type type;
	size_t offset, size; /* in struct request */
};

#define ARGUMENT(name, type, member)                          \
	{                                                     \
		name, type, offsetof(struct request, member), \
			sizeof(((struct request *)0)->member) \
	}

enum { NAME, GROUP, BYTES, WEIGHT, TIERS, LOSE, PID, ADDRESS, BACKEND, SPEC, PRIORITY, ARGUMENTS };

static const struct argument arguments[ARGUMENTS] = {
	[NAME] = ARGUMENT("name", TYPE_TEXT, group.name),
	[GROUP] = ARGUMENT("group", TYPE_TEXT, group.name),
	[BYTES] = ARGUMENT("bytes", TYPE_NUMBER, group.limit_bytes),
	[WEIGHT] = ARGUMENT("weight", TYPE_WEIGHT, group.weight),
	[TIERS] = ARGUMENT("tiers", TYPE_TEXT, group.tiers),
	[LOSE] = ARGUMENT("lose", TYPE_FLAG, lose),
	[PID] = ARGUMENT("pid", TYPE_PID, pid),
	[ADDRESS] = ARGUMENT("address", TYPE_NUMBER, address),
	[BACKEND] = ARGUMENT("backend", TYPE_TEXT, backend),
	[SPEC] = ARGUMENT("spec", TYPE_TEXT, spec),
	[PRIORITY] = ARGUMENT("priority", TYPE_PRIORITY, priority),
};

#define BIT(argument) (1u << (argument))

/* Other members than these are not looked at. */
static const struct form {
	const char *name;
	unsigned int needs, takes; /* bits of arguments */
	unsigned int or_instead;   /* what it needs it may leave out beside one of these */
} forms[REQUEST_KINDS] = {
	[REQUEST_REPORT] = {.name = "report"},
	[REQUEST_LIMIT] = {.name = "limit",
			   .needs = BIT(BYTES),
			   .takes = BIT(GROUP) | BIT(WEIGHT) | BIT(TIERS),
			   .or_instead = BIT(GROUP)},
	[REQUEST_FOLLOW] = {.name = "follow"},
	[REQUEST_GROUP] = {.name = "group",
			   .needs = BIT(NAME),
			   .takes = BIT(BYTES) | BIT(WEIGHT) | BIT(TIERS)},
	[REQUEST_THAW] = {.name = "thaw"},
	[REQUEST_DETACH] = {.name = "detach", .takes = BIT(LOSE)},
	[REQUEST_WHERE] = {.name = "where", .needs = BIT(ADDRESS), .takes = BIT(PID)},
	[REQUEST_BACKEND_ADD] = {.name = "backend-add", .needs = BIT(SPEC)},
	[REQUEST_BACKEND_SET] = {.name = "backend-set", .needs = BIT(BACKEND) | BIT(PRIORITY)},
	[REQUEST_BACKEND_REMOVE] = {.name = "backend-remove",
				    .needs = BIT(BACKEND),
				    .takes = BIT(LOSE)},
};

static void *place_of(struct request *request, const struct argument *argument)
{
	return (char *)request + argument->offset;
}

/* ---- reading ---- */

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

static int refuse_argument(char *message, const struct argument *argument, const char *must_be)
{
	char why[MESSAGE_BYTES];

	snprintf(why, sizeof(why), "\"%s\" must be %s", argument->name, must_be);
	return refuse(message, why);
}

static int parse_number(struct json_object *value, const struct argument *argument,
			uint64_t *number, char *message)
{
	/* json-c saturates, at most at INT64_MAX here, which no number of ours is. */
	if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0 ||
	    json_object_get_int64(value) == INT64_MAX)
		return refuse_argument(message, argument, "a whole number, 0 to 2^63 - 2");
	*number = json_object_get_uint64(value);
	return 0;
}

static int parse_priority(struct json_object *value, const struct argument *argument, int *priority,
			  char *message)
{
	int64_t number = json_object_get_int64(value);

	if (!json_object_is_type(value, json_type_int) || number < -BACKEND_PRIORITY_HIGHEST ||
	    number > BACKEND_PRIORITY_HIGHEST)
		return refuse_argument(message, argument, "a whole number, -32767 to 32767");
	*priority = (int)number;
	return 0;
}

static int parse_text(struct json_object *value, const struct argument *argument, char *text,
		      char *message)
{
	size_t length = (size_t)json_object_get_string_len(value);
	char must_be[48];

	snprintf(must_be, sizeof(must_be), "a text of 1 to %zu bytes", argument->size - 1);
	if (!json_object_is_type(value, json_type_string) || !length || length >= argument->size ||
	    strlen(json_object_get_string(value)) != length)
		return refuse_argument(message, argument, must_be);
	memcpy(text, json_object_get_string(value), length + 1);
	return 0;
}

static int parse_argument(struct json_object *value, const struct argument *argument, void *to,
			  char *message)
{
	uint64_t number = 0;
	int error = 0;

	switch (argument->type) {
	case TYPE_TEXT:
		return parse_text(value, argument, to, message);
	case TYPE_FLAG:
		if (!json_object_is_type(value, json_type_boolean))
			return refuse_argument(message, argument, "true or false");
		*(bool *)to = json_object_get_boolean(value);
		return 0;
	case TYPE_NUMBER:
		return parse_number(value, argument, to, message);
	case TYPE_PID:
		error = parse_number(value, argument, &number, message);
		if (!error && number > INT32_MAX)
			return refuse_argument(message, argument, "a process id");
		*(int *)to = (int)number;
		return error;
	case TYPE_PRIORITY:
		return parse_priority(value, argument, to, message);
	case TYPE_WEIGHT:
		error = parse_number(value, argument, &number, message);
		if (!error)
			error = group_check_weight(number, message);
		if (!error)
			*(unsigned int *)to = (unsigned int)number;
		return error;
	}
	return -EINVAL;
}

static int parse_arguments(struct json_object *object, const struct form *form,
			   struct request *request, char *message)
{
	unsigned int there = 0, missing;
	int error = 0;

	for (unsigned int i = 0; i < ARGUMENTS && !error; i++) {
		struct json_object *value;

		if (!((form->needs | form->takes) & BIT(i)) ||
		    !json_object_object_get_ex(object, arguments[i].name, &value))
			continue;
		there |= BIT(i);
		error = parse_argument(value, &arguments[i], place_of(request, &arguments[i]),
				       message);
	}
	if (error)
		return error;
	request->group.has_limit = there & BIT(BYTES);
	missing = form->needs & ~there;
	if (missing && !(form->or_instead & there))
		return refuse_argument(message, &arguments[__builtin_ctz(missing)], "given");
	return 0;
}

/* "it is none of report, limit, ..." */
static int refuse_name(char *message)
{
	char why[MESSAGE_BYTES] = "it is none of ";

	for (unsigned int i = 0; i < REQUEST_KINDS; i++) {
		strcat(why, i ? ", " : "");
		strcat(why, forms[i].name);
	}
	return refuse(message, why);
}

static int parse_members(struct json_object *object, struct request *request, char *message)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, "request", &value) ||
	    !json_object_is_type(value, json_type_string))
		return refuse(message, "\"request\" is missing");
	for (unsigned int i = 0; i < REQUEST_KINDS; i++) {
		if (strlen(forms[i].name) != (size_t)json_object_get_string_len(value) ||
		    memcmp(json_object_get_string(value), forms[i].name, strlen(forms[i].name)))
			continue;
		request->kind = (enum request_kind)i;
		return parse_arguments(object, &forms[i], request, message);
	}
	return refuse_name(message);
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

/* ---- writing ---- */

/* NULL: there is nothing to say. */
static struct json_object *argument_to_json(const struct argument *argument, const void *from)
{
	switch (argument->type) {
	case TYPE_TEXT:
		return *(const char *)from ? json_object_new_string(from) : NULL;
	case TYPE_FLAG:
		return *(const bool *)from ? json_object_new_boolean(1) : NULL;
	case TYPE_NUMBER:
		return json_object_new_uint64(*(const uint64_t *)from);
	case TYPE_PID:
		return *(const int *)from ? json_object_new_int(*(const int *)from) : NULL;
	case TYPE_PRIORITY:
		return json_object_new_int(*(const int *)from);
	case TYPE_WEIGHT:
		return *(const unsigned int *)from
			       ? json_object_new_uint64(*(const unsigned int *)from)
			       : NULL;
	}
	return NULL;
}

struct json_object *request_to_json(const struct request *request)
{
	const struct form *form = &forms[request->kind];
	struct json_object *object = json_object_new_object(), *value;

	if (!object)
		return NULL;
	json_object_object_add(object, "request", json_object_new_string(form->name));
	for (unsigned int i = 0; i < ARGUMENTS; i++) {
		if (!((form->needs | form->takes) & BIT(i)) ||
		    (i == BYTES && !request->group.has_limit))
			continue;
		value = argument_to_json(&arguments[i],
					 (const char *)request + arguments[i].offset);
		if (value)
			json_object_object_add(object, arguments[i].name, value);
	}
	return object;
}
