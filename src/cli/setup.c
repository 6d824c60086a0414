/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <unistd.h>
#include "base/message.h"
#include "cli/cli.h"
#include "cli/common.h"
#include "rights/setup.h"

struct setup_options {
	bool undo;
	char **users; /* argv's own tail, ends with NULL */
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct setup_options *options = state->input;

	(void)argument;
	switch (key) {
	case 'u':
		options->undo = true;
		return 0;
	case ARGP_KEY_ARGS:
		options->users = state->argv + state->next;
		return 0;
	case ARGP_KEY_END:
		if (options->undo == !!options->users)
			argp_error(state, "give the users who may page their programs, as in: "
					  "vswap setup alice; or --undo alone");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option option_list[] = {
	{"undo", 'u', NULL, 0, "Take it back for all users", 0}, {0}};
static const struct argp argp = {
	.options = option_list,
	.parser = parse,
	.args_doc = "USER...\n--undo",
	.doc = "Lets users page programs of their own, those that fork too. Once, as root: makes a "
	       "group, gives it /dev/userfaultfd and the helper for fork events, and puts the "
	       "users into it.",
};

static int undo(void)
{
	char message[MESSAGE_BYTES];

	if (setup_undo(message))
		return cli_fail("%s", message);
	puts("Only root can use vswap now. The group " SETUP_GROUP
	     " is left: groupdel " SETUP_GROUP);
	return CLI_OK;
}

static int set_up(char **users)
{
	char message[MESSAGE_BYTES];

	if (setup_machine(message))
		return cli_fail("%s", message);
	for (; *users; users++) {
		if (setup_user(*users, message))
			return cli_fail("%s", message);
		printf("%s may use vswap from the next login on (or in: newgrp " SETUP_GROUP ").\n",
		       *users);
	}
	return CLI_OK;
}

int verb_setup(int argc, char **argv)
{
	struct setup_options options = {0};

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	if (geteuid())
		return cli_fail("setup changes the system: run it as root, as in: sudo vswap setup "
				"$USER");
	return options.undo ? undo() : set_up(options.users);
}
