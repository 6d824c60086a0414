/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>
#include "base/message.h"
#include "cli/check.h"
#include "cli/cli.h"
#include "cli/common.h"
#include "cli/space_options.h"

struct attach_options {
	struct space_options space;
	pid_t pid;
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct attach_options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->space;
		return 0;
	case 'n':
		options->space.owner.no_children = true;
		return 0;
	case ARGP_KEY_ARG:
		options->pid = cli_parse_one_pid(argument, state);
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "give the id of the process, as in: vswap attach -m 512M 1234");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option option_list[] = {
	{"no-children", 'n', NULL, 0, "Only this process: what it has started is left alone", 0},
	{0},
};
static const struct argp_child children[] = {{&space_argp, 0, NULL, 0}, {0}};
static const struct argp argp = {
	.options = option_list,
	.parser = parse,
	.args_doc = "PID",
	.doc = "Puts a running process on a memory budget and stays in the foreground. Ctrl-C, or "
	       "`vswap detach PID' elsewhere, brings everything back and leaves no trace."
	       "\vExit status: 0 when the process was detached or has ended, 2 for a usage error, "
	       "1 when it could not be attached.",
	.children = children,
};

static int attach(const struct owner_config *config, pid_t pid)
{
	char message[MESSAGE_BYTES];
	struct owner *owner;
	sigset_t before;
	int pidfd, result;

	pidfd = pidfd_open(pid, 0);
	if (pidfd < 0)
		return cli_fail("process %d: %s", (int)pid,
				errno == ESRCH	  ? "there is no such process"
				: errno == EINVAL ? "this is the id of a thread; give its process"
						  : strerror(errno));
	if (!check_kernel(message)) {
		close(pidfd);
		return cli_fail("%s", message);
	}
	owner_block_signals(&before);
	if (owner_open(&owner, config, pid, message))
		return cli_fail("%s", message);
	result = owner_take(owner, pidfd, message);
	if (result) {
		cli_fail("%s", message);
	} else {
		owner_listen(owner);
		result = owner_loop(owner);
	}
	owner_close(owner);
	return result ? CLI_FAILED : CLI_OK;
}

int verb_attach(int argc, char **argv)
{
	struct attach_options options = {0};
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	status = attach(&options.space.owner, options.pid);
	space_options_free(&options.space);
	return status;
}
