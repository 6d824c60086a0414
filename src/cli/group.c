/* SPDX-License-Identifier: MIT */
/* Enters a group of the job that this process is part of, then becomes the command. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/message.h"
#include "base/size.h"
#include "cli/cli.h"
#include "cli/common.h"
#include "control/client.h"

struct group_options {
	struct group_settings settings;
	char **command; /* argv's own tail, ends with NULL */
};

static void parse_limit(struct group_settings *settings, const char *text, struct argp_state *state)
{
	char message[MESSAGE_BYTES];

	if (size_parse(text, size_of_ram(), &settings->limit_bytes, message) ||
	    group_check_limit(settings->limit_bytes, message))
		argp_error(state, "%s", message);
	settings->has_limit = true;
}

static void parse_name(struct group_settings *settings, const char *text, struct argp_state *state)
{
	char message[MESSAGE_BYTES];

	if (group_check_name(text, message))
		argp_error(state, "%s", message);
	snprintf(settings->name, sizeof(settings->name), "%s", text);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct group_options *options = state->input;
	struct group_settings *settings = &options->settings;

	switch (key) {
	case 'm':
		parse_limit(settings, argument, state);
		return 0;
	case 'w':
		settings->weight = cli_parse_weight(argument, state);
		return 0;
	case 't':
		if (!*argument || snprintf(settings->tiers, sizeof(settings->tiers), "%s",
					   argument) >= (int)sizeof(settings->tiers))
			argp_error(state, "give the tiers as in: --tiers ram,disk");
		return 0;
	case ARGP_KEY_ARG:
		if (!settings->name[0]) {
			parse_name(settings, argument, state);
			return 0;
		}
		/* What follows belongs to the command, options and all. */
		options->command = state->argv + state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_END:
		if (!options->command)
			argp_error(state, "give a name and the command to run, as in: vswap group "
					  "-m 128M tests make test");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option option_list[] = {
	{"memory", 'm', "SIZE", 0,
	 "The most that the group's processes may have resident together. Bytes, or with K, M, G, "
	 "T, or a percentage of RAM (default: only the job's budget)",
	 0},
	{"weight", 'w', "WEIGHT", 0,
	 "1 to 10000 (default 100): with 200 the group loses half as many pages as with 100 when "
	 "the job needs room",
	 0},
	{"tiers", 't', "NAME,...", 0,
	 "Where its pages may go: names of the job's backends; ram alone: they never leave RAM "
	 "(default: where those of the group above may go)",
	 0},
	{0},
};
static const struct argp argp = {
	.options = option_list,
	.parser = parse,
	.args_doc = "NAME [--] COMMAND [ARGUMENT...]",
	.doc = "Runs COMMAND, and all that it starts, in group NAME of the job that `vswap group' "
	       "itself is part of (something that `vswap run' or `vswap attach' takes care of). "
	       "The "
	       "group is below the caller's own; it is made if there is none of that name."
	       "\vExit status: the command's; 127 when it is not found, 126 when it cannot be run, "
	       "2 for a usage error, 1 when there is no job or the group cannot be entered.",
};

/* For processes whose parents end before they are seen. */
static int leave_trace(pid_t job, const char *path)
{
	char text[GROUP_PATH + 32];

	snprintf(text, sizeof(text), "%d/%s", (int)job, path);
	return setenv(GROUP_VARIABLE, text, 1);
}

static int enter(const struct group_settings *settings)
{
	struct request request = {.kind = REQUEST_GROUP, .group = *settings};
	struct json_object *answer, *path;
	char message[MESSAGE_BYTES];
	pid_t job = client_find_job(getpid());
	int result;

	if (!job)
		return cli_fail("there is no job around this process; start it below `vswap run', "
				"as in: vswap run -m 1G -- sh -c 'vswap group -m 256M tests make "
				"test'");
	if (client_ask(job, &request, NULL, NULL, &answer, message))
		return cli_fail("%s", message);
	result = json_object_object_get_ex(answer, "group", &path)
			 ? leave_trace(job, json_object_get_string(path))
			 : -1;
	json_object_put(answer);
	return result ? cli_fail("out of memory") : CLI_OK;
}

int verb_group(int argc, char **argv)
{
	struct group_options options = {0};

	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &options);
	if (enter(&options.settings))
		return CLI_FAILED;
	execvp(options.command[0], options.command);
	return cli_exec_failed(options.command[0], errno);
}
