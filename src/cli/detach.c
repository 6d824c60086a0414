/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/common.h"

struct detach_options {
	pid_t pid;
	bool lose;
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct detach_options *options = state->input;

	switch (key) {
	case 'l':
		options->lose = true;
		return 0;
	case ARGP_KEY_ARG:
		options->pid = cli_parse_one_pid(argument, state);
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "give the id of the process; `vswap stat' lists them");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option option_list[] = {
	{"lose-unreadable", 'l', NULL, 0,
	 "Gives up pages that cannot be read from their backend: touching one raises SIGBUS", 0},
	{0},
};
static const struct argp argp = {
	.options = option_list,
	.parser = parse,
	.args_doc = "PID",
	.doc = "Brings all pages of process PID back into its memory and leaves it as if vswap had "
	       "never been there."
	       "\vIf pages cannot be read, it fails, says how many, and the process is served as "
	       "before.",
};

int verb_detach(int argc, char **argv)
{
	struct detach_options options = {0};
	struct request request = {.kind = REQUEST_DETACH};

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	request.lose = options.lose;
	return cli_long_request(options.pid, &request, "bringing back");
}
