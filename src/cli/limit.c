/* SPDX-License-Identifier: MIT */
#include <json-c/json.h>
#include <string.h>
#include "cli/cli.h"
#include "control/client.h"
#include "control/size.h"

struct limit_options {
	struct request request;
	pid_t pid; /* 0: the only one there is */
};

static void parse_limit(struct request *request, const char *text, struct argp_state *state)
{
	char message[256];

	if (!strcmp(text, CLI_CGROUP))
		request->kind = REQUEST_FOLLOW;
	else if (size_parse(text, size_of_ram(), &request->number, message, sizeof(message)))
		argp_error(state, "%s", message);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct limit_options *options = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (state->arg_num > 1)
			argp_error(state, "'%s' is too much", argument);
		if (state->arg_num == 1)
			options->pid = cli_parse_pid(argument, state);
		else
			parse_limit(&options->request, argument, state);
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "give the new budget, as in: vswap limit 512M 1234");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.parser = parse,
	.args_doc = "SIZE|cgroup [PID]",
	.doc = "Changes the budget of process PID's space, also up, or makes it follow the limit "
	       "of "
	       "the memory cgroup that the process lives in; ends a `vswap thaw'. PID may be left "
	       "out while there is only one space.",
};

int verb_limit(int argc, char **argv)
{
	struct limit_options options = {.request.kind = REQUEST_LIMIT};
	char message[CLIENT_MESSAGE];
	struct json_object *answer;
	pid_t pids[2];

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	if (!options.pid) {
		unsigned int count = client_list(pids, 2);

		if (count != 1)
			return cli_fail(
				count ? "there are several spaces; say which process: vswap "
					"limit SIZE PID (`vswap stat' lists them)"
				      : "there is no space; `vswap run' or `vswap attach' "
					"makes one");
		options.pid = pids[0];
	}
	if (client_ask(options.pid, &options.request, NULL, NULL, &answer, message))
		return cli_fail("%s", message);
	json_object_put(answer);
	return CLI_OK;
}
