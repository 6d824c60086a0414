/* SPDX-License-Identifier: MIT */
/* Fuzzer (libFuzzer): a line of the control socket is refused with a message, or is a request. */
#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What came in is looked for, and made when it may be. */
static void fuzz_name(const struct group_settings *settings)
{
	struct groups groups = {.count = 0};
	struct group *group = NULL;
	char message[MESSAGE_BYTES] = "", path[GROUP_PATH];
	int error = groups_enter(&groups, NULL, settings, 0, &group, message);

	if ((error != 0) != (message[0] != '\0') || (error && groups_find(&groups, settings->name)))
		abort();
	if (!error && groups_find(&groups, group_path(group, path)) != group)
		abort();
	groups_free(&groups);
}

/* What is written is read as it was. */
static void fuzz_writing(const struct request *request)
{
	struct json_object *object = request_to_json(request);
	const char *text = json_object_to_json_string_length(object, JSON_C_TO_STRING_PLAIN, NULL);
	char message[MESSAGE_BYTES];
	struct request again;

	/* What was escaped may be longer than a request may be. */
	if (strlen(text) < REQUEST_BYTES && (request_parse(text, strlen(text), &again, message) ||
					     memcmp(&again, request, sizeof(again))))
		abort();
	json_object_put(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of just this size, so that reading past it is seen. */
	char *line = malloc(size + !size);
	char message[MESSAGE_BYTES] = "";
	struct request request = {.kind = -1};
	int error;

	if (!line)
		return 0;
	memcpy(line, data, size);
	error = request_parse(line, size, &request, message);
	if ((error != 0) != (message[0] != '\0') || !memchr(message, '\0', sizeof(message)))
		abort();
	if (!error && (request.kind < REQUEST_REPORT || request.kind >= REQUEST_KINDS))
		abort();
	if (!error)
		fuzz_writing(&request);
	if (!memchr(request.group.name, '\0', sizeof(request.group.name)) ||
	    !memchr(request.group.tiers, '\0', sizeof(request.group.tiers)) ||
	    request.group.weight > GROUP_WEIGHT_MOST)
		abort();
	if (!error && request.kind == REQUEST_GROUP && !request.group.name[0])
		abort();
	fuzz_name(&request.group);
	free(line);
	return 0;
}
