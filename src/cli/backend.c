/* SPDX-License-Identifier: MIT */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "backend/spec.h"
#include "base/message.h"
#include "base/size.h"
#include "cli/cli.h"
#include "cli/common.h"
#include "control/client.h"
#include "control/report.h"
#include "control/show.h"

struct backend_options {
	struct request request;
	const char *verb; /* list, add, set, remove; NULL: not yet */
	bool json, has_priority;
	pid_t pid; /* 0: the job around us, or the only one there is */
};

static void parse_priority(struct backend_options *options, const char *text,
			   struct argp_state *state)
{
	char message[MESSAGE_BYTES];

	if (strncmp(text, "prio=", 5))
		argp_error(state, "'%.40s' is nothing that can be set: prio=N is", text);
	if (backend_parse_priority(text + 5, &options->request.priority, message))
		argp_error(state, "%s", message);
	options->has_priority = true;
}

static void parse_verb(struct backend_options *options, const char *text, struct argp_state *state)
{
	options->verb = text;
	if (!strcmp(text, "list"))
		options->request.kind = REQUEST_REPORT;
	else if (!strcmp(text, "add"))
		options->request.kind = REQUEST_BACKEND_ADD;
	else if (!strcmp(text, "set"))
		options->request.kind = REQUEST_BACKEND_SET;
	else if (!strcmp(text, "remove"))
		options->request.kind = REQUEST_BACKEND_REMOVE;
	else
		argp_error(state, "'%.40s' is none of list, add, set, remove", text);
}

/* `text`, whose path begins after `kind` bytes, with that path below `folder`. False: too long. */
static bool make_absolute(const char *text, size_t kind, const char *folder, char *spec,
			  size_t bytes)
{
	size_t length = 0;

	for (size_t i = 0; i < kind && length < bytes; i++)
		spec[length++] = text[i];
	for (const char *at = folder; *at && length + 2 < bytes; at++) {
		if (*at == ',' || *at == '\\')
			spec[length++] = '\\';
		spec[length++] = *at;
	}
	return length + 1 < bytes &&
	       (size_t)snprintf(spec + length, bytes - length, "/%s", text + kind) < bytes - length;
}

static void parse_spec(struct backend_options *options, const char *text, struct argp_state *state)
{
	size_t kind = strcspn(text, ":,"), bytes = sizeof(options->request.spec);
	char message[MESSAGE_BYTES], *folder;
	struct backend_spec spec;
	bool fits;

	if (backend_parse_spec(text, &spec, message))
		argp_error(state, "%s", message);
	/* The owner's folder is another one. */
	folder = spec.path[0] == '/' || !spec.path[0] ? NULL : getcwd(NULL, 0);
	if (!folder && spec.path[0] && spec.path[0] != '/')
		argp_error(state,
			   "the current folder cannot be told: give a path that begins with /");
	if (folder)
		fits = make_absolute(text, kind + 1, folder, options->request.spec, bytes);
	else
		fits = (size_t)snprintf(options->request.spec, bytes, "%s", text) < bytes;
	free(folder);
	if (!fits)
		argp_error(state, "the path is too long: use a shorter one, or a link to it");
}

static void parse_name(struct backend_options *options, const char *text, struct argp_state *state)
{
	struct request *request = &options->request;

	if (!*text || snprintf(request->backend, sizeof(request->backend), "%s", text) >=
			      (int)sizeof(request->backend))
		argp_error(state,
			   "'%.40s' is no name of a backend; `vswap backend list' shows them",
			   text);
}

/* What comes after the verb and before PID is there. */
static bool is_named(const struct request *request)
{
	return request->kind == REQUEST_REPORT || request->backend[0] || request->spec[0];
}

/* list [PID]; add SPEC [PID]; set NAME prio=N [PID]; remove NAME [PID] */
static void parse_argument(struct backend_options *options, char *text, struct argp_state *state)
{
	if (!options->verb)
		parse_verb(options, text, state);
	else if (!is_named(&options->request) && options->request.kind == REQUEST_BACKEND_ADD)
		parse_spec(options, text, state);
	else if (!is_named(&options->request))
		parse_name(options, text, state);
	else if (options->request.kind == REQUEST_BACKEND_SET && !options->has_priority)
		parse_priority(options, text, state);
	else if (options->pid)
		argp_error(state, "'%.40s' is too much", text);
	else
		options->pid = cli_parse_pid(text, state);
}

static void finish(const struct backend_options *options, struct argp_state *state)
{
	const struct request *request = &options->request;

	if (!options->verb)
		argp_error(state, "say what to do: list, add, set or remove");
	if (request->kind == REQUEST_BACKEND_ADD && !is_named(request))
		argp_error(state, "say where, as in: vswap backend add file:/var/tmp");
	if (!is_named(request))
		argp_error(state, "name the backend; `vswap backend list' shows them");
	if (request->kind == REQUEST_BACKEND_SET && !options->has_priority)
		argp_error(state, "say what to set, as in: vswap backend set %s prio=10",
			   request->backend);
	if (request->lose && request->kind != REQUEST_BACKEND_REMOVE)
		argp_error(state, "--lose-unreadable is for remove");
	if (options->json &&
	    (request->kind == REQUEST_BACKEND_SET || request->kind == REQUEST_BACKEND_ADD))
		argp_error(state, "--json is for list and remove");
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct backend_options *options = state->input;

	switch (key) {
	case 'j':
		options->json = true;
		return 0;
	case 'l':
		options->request.lose = true;
		return 0;
	case ARGP_KEY_ARG:
		parse_argument(options, argument, state);
		return 0;
	case ARGP_KEY_END:
		finish(options, state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option option_list[] = {
	{"json", 'j', NULL, 0, "list, remove: as JSON", 0},
	{"lose-unreadable", 'l', NULL, 0,
	 "remove: gives up pages that cannot be read: touching one raises SIGBUS", 0},
	{0},
};
static const struct argp argp = {
	.options = option_list,
	.parser = parse,
	.args_doc = "list [PID]\nadd SPEC [PID]\nset NAME prio=N [PID]\nremove NAME [PID]",
	.doc = "Shows the backends of process PID's space, adds one, changes which is used first, "
	       "or moves all that is on one elsewhere and closes it, while programs run."
	       "\vSPEC is as for `vswap run --backend'. PID may be left out inside a job, and "
	       "while there is only one space. Ctrl-C "
	       "calls a removal off: what has moved stays moved, and nothing is lost.",
};

static int write_json(struct json_object *object)
{
	const char *text = json_object_to_json_string_ext(
		object,
		JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE);

	return !text || puts(text) < 0 || fflush(stdout)
		       ? cli_fail("cannot write to standard output")
		       : CLI_OK;
}

static int show_list(const struct backend_options *options, struct json_object *answer)
{
	struct json_object *object = NULL, *list = NULL;
	struct report report;

	json_object_object_get_ex(answer, "report", &object);
	if (options->json) {
		json_object_object_get_ex(object, "backends", &list);
		return write_json(list);
	}
	report_from_json(object, &report);
	return report_backends(&report, stdout)
		       ? cli_fail("cannot write the table to standard output")
		       : CLI_OK;
}

static int show_removed(const struct backend_options *options, struct json_object *answer)
{
	struct json_object *removed = NULL, *bytes = NULL, *seconds = NULL;
	char size[SIZE_TEXT];

	json_object_object_get_ex(answer, "removed", &removed);
	if (options->json)
		return write_json(removed);
	json_object_object_get_ex(removed, "bytes", &bytes);
	json_object_object_get_ex(removed, "seconds", &seconds);
	printf("%s: %s moved elsewhere in %.1f s; removed\n", options->request.backend,
	       size_format(json_object_get_uint64(bytes), size), json_object_get_double(seconds));
	return CLI_OK;
}

static int show_added(struct json_object *answer)
{
	struct json_object *added = NULL, *name = NULL, *note = NULL;

	json_object_object_get_ex(answer, "added", &added);
	json_object_object_get_ex(added, "name", &name);
	json_object_object_get_ex(added, "note", &note);
	printf("%s: added\n", json_object_get_string(name));
	if (json_object_get_string_len(note))
		fprintf(stderr, "vswap: %s\n", json_object_get_string(note));
	return CLI_OK;
}

static const char *example_of(enum request_kind kind)
{
	switch (kind) {
	case REQUEST_BACKEND_ADD:
		return "vswap backend add SPEC PID";
	case REQUEST_BACKEND_SET:
		return "vswap backend set NAME prio=N PID";
	case REQUEST_BACKEND_REMOVE:
		return "vswap backend remove NAME PID";
	default:
		return "vswap backend list PID";
	}
}

int verb_backend(int argc, char **argv)
{
	struct backend_options options = {0};
	struct json_object *answer;
	int result;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	if (!options.pid)
		options.pid = cli_choose_pid(example_of(options.request.kind));
	if (!options.pid)
		return CLI_FAILED;
	result = cli_long_answer(options.pid, &options.request, "moving", &answer);
	if (result)
		return result;
	if (options.request.kind == REQUEST_REPORT)
		result = show_list(&options, answer);
	else if (options.request.kind == REQUEST_BACKEND_ADD)
		result = show_added(answer);
	else if (options.request.kind == REQUEST_BACKEND_REMOVE)
		result = show_removed(&options, answer);
	json_object_put(answer);
	return result;
}
