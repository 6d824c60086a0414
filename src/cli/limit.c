/* SPDX-License-Identifier: MIT */
#include <json-c/json.h>
#include "cli/cli.h"
#include "control/client.h"
#include "control/size.h"

struct limit_options {
	uint64_t bytes;
	pid_t pid; /* 0: the only one there is */
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct limit_options *options = state->input;
	char message[256];

	switch (key) {
	case ARGP_KEY_ARG:
		if (state->arg_num > 1)
			argp_error(state, "'%s' is too much", argument);
		if (state->arg_num == 1)
			options->pid = cli_parse_pid(argument, state);
		else if (size_parse(argument, size_of_ram(), &options->bytes, message,
				    sizeof(message)))
			argp_error(state, "%s", message);
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "give the new budget, as in: vswap limit 512M 1234");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.parser = parse,
	.args_doc = "SIZE [PID]",
	.doc = "Changes the budget of process PID's space, also up; ends a `vswap thaw'. PID may "
	       "be "
	       "left out while there is only one space.",
};

int verb_limit(int argc, char **argv)
{
	struct limit_options options = {0};
	struct request request = {.kind = REQUEST_LIMIT};
	char message[CLIENT_MESSAGE];
	struct json_object *answer;
	pid_t pids[2];

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	request.number = options.bytes;
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
	if (client_ask(options.pid, &request, NULL, NULL, &answer, message))
		return cli_fail("%s", message);
	json_object_put(answer);
	return CLI_OK;
}
