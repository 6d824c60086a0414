/* SPDX-License-Identifier: MIT */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include "base/message.h"
#include "base/size.h"
#include "cli/cli.h"
#include "cli/common.h"
#include "cli/space_options.h"
#include "control/client.h"

struct limit_options {
	struct request request;
	const char *size; /* as it was given; NULL: not at all */
	pid_t pid;	  /* 0: the job around us, or the only one there is */
};

static void parse_size(struct limit_options *options, struct argp_state *state)
{
	struct group_settings *group = &options->request.group;
	char message[MESSAGE_BYTES];
	uint64_t bytes = 0;
	bool of_group = group->name[0] != '\0';

	if (of_group && !strcmp(options->size, "same"))
		return;
	if (!of_group && !strcmp(options->size, CLI_CGROUP)) {
		options->request.kind = REQUEST_FOLLOW;
		return;
	}
	if ((!of_group || strcmp(options->size, "none")) &&
	    (size_parse(options->size, size_of_ram(), &bytes, message) ||
	     (of_group && group_check_limit(bytes, message))))
		argp_error(state, "%s", message);
	group->limit_bytes = bytes;
	group->has_limit = true;
}

static void parse_group(struct limit_options *options, const char *path, struct argp_state *state)
{
	struct group_settings *group = &options->request.group;

	if (!*path ||
	    snprintf(group->name, sizeof(group->name), "%s", path) >= (int)sizeof(group->name))
		argp_error(state, "'%.40s' is no path of a group; `vswap stat PID' shows them",
			   path);
}

static void finish(struct limit_options *options, struct argp_state *state)
{
	const struct group_settings *group = &options->request.group;

	if (group->weight && !group->name[0])
		argp_error(state, "a weight is that of a group: give --group NAME");
	if (options->size)
		parse_size(options, state);
	else if (group->name[0] && !group->weight)
		argp_error(state, "give the group's new limit, as in: vswap limit --group %s 128M",
			   group->name);
	else if (!group->name[0])
		argp_error(state, "give the new budget, as in: vswap limit 512M 1234");
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct limit_options *options = state->input;

	switch (key) {
	case 'g':
		parse_group(options, argument, state);
		return 0;
	case 'w':
		options->request.group.weight = cli_parse_weight(argument, state);
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num > 1)
			argp_error(state, "'%s' is too much", argument);
		if (state->arg_num == 1)
			options->pid = cli_parse_pid(argument, state);
		else
			options->size = argument;
		return 0;
	case ARGP_KEY_END:
		finish(options, state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option option_list[] = {
	{"group", 'g', "NAME", 0,
	 "Change the limit of this group of the job instead; SIZE may be none, or same", 0},
	{"weight", 'w', "WEIGHT", 0, "Its weight, 1 to 10000; SIZE may be left out", 0},
	{0},
};
static const struct argp argp = {
	.options = option_list,
	.parser = parse,
	.args_doc = "SIZE|cgroup [PID]",
	.doc = "Changes the budget of process PID's space, also up, or makes it follow the limit "
	       "of "
	       "the memory cgroup that the process lives in; ends a `vswap thaw'. PID may be left "
	       "out inside a job, and while there is only one space. A group below another is "
	       "called OUTER/INNER.",
};

int verb_limit(int argc, char **argv)
{
	struct limit_options options = {.request.kind = REQUEST_LIMIT};
	char message[MESSAGE_BYTES];
	struct json_object *answer;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	if (!options.pid)
		options.pid = cli_choose_pid("vswap limit SIZE PID");
	if (!options.pid)
		return CLI_FAILED;
	if (client_ask(options.pid, &options.request, NULL, NULL, &answer, message))
		return cli_fail("%s", message);
	json_object_put(answer);
	return CLI_OK;
}
