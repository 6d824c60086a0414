/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "attach/allowed.h"
#include "attach/attach.h"
#include "cli/check.h"
#include "cli/cli.h"
#include "cli/common.h"
#include "cli/space_options.h"
#include "owner/spawn.h"

#define ENDING_MS 100

struct run_options {
	struct space_options space;
	char **command; /* argv's own tail, ends with NULL */
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct run_options *options = state->input;

	(void)argument;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->space;
		return 0;
	case ARGP_KEY_ARG:
		/* What follows belongs to the command, options and all. */
		options->command = state->argv + state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "give the command to run, as in: vswap run -m 512M sort big.txt");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = {{&space_argp, 0, NULL, 0}, {0}};
static const struct argp argp = {
	.parser = parse,
	.args_doc = "[--] COMMAND [ARGUMENT...]",
	.doc = "Runs COMMAND within a memory budget: cold pages move into a virtual swap space. "
	       "Exit status, signals, terminal and output are the command's own."
	       "\vExit status: the command's; 127 when it is not found, 126 when it cannot be run, "
	       "2 for a usage error, 1 when vswap itself fails.",
	.children = children,
};

/* Ends as the program ended, by the same signal if it was one, so that our parent sees the same. */
static int end_like(int status)
{
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t set;

	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	if (!WIFSIGNALED(status))
		return CLI_FAILED;
	sigaction(WTERMSIG(status), &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, WTERMSIG(status));
	kill(getpid(), WTERMSIG(status));
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	return 128 + WTERMSIG(status);
}

/* A program that is just ending has no memory any more, and looks like what cannot be attached. */
static bool is_ending(const struct spawn *spawn)
{
	struct pollfd ended = {.fd = spawn->pidfd, .events = POLLIN};

	return poll(&ended, 1, ENDING_MS) > 0;
}

/* Everything up to the program's first instruction. 0, or the exit status. */
static int start(struct owner **owner, const struct owner_config *config, struct spawn *spawn)
{
	char message[MESSAGE_BYTES];
	int result;

	/* Rights are asked about before anything runs; what the program itself forbids (a setuid
	 * file, 32-bit code) shows only after exec. */
	if (attach_allowed(spawn->pid, message) || owner_open(owner, config, spawn->pid, message)) {
		spawn_cancel(spawn);
		return cli_fail("%s", message);
	}
	owner_listen(*owner);
	result = spawn_go(spawn);
	if (result) {
		owner_close(*owner);
		return cli_exec_failed(config->command, -result);
	}
	result = owner_take(*owner, spawn->pidfd, message);
	if (result && !is_ending(spawn)) {
		kill(spawn->pid, SIGKILL);
		waitpid(spawn->pid, NULL, 0);
		owner_close(*owner);
		return cli_fail("%s", message);
	}
	return 0;
}

static int run(const struct owner_config *config, char **command)
{
	char message[MESSAGE_BYTES];
	struct spawn spawn;
	struct owner *owner;
	sigset_t before;
	int result, status;

	if (!check_kernel(message))
		return cli_fail("%s", message);
	owner_block_signals(&before);
	result = spawn_prepare(&spawn, command, &before);
	if (result)
		return cli_fail("cannot start a process: %s", strerror(-result));
	result = start(&owner, config, &spawn);
	if (result)
		return result;
	owner_loop(owner);
	status = owner_wait_status(owner);
	owner_close(owner);
	return end_like(status);
}

int verb_run(int argc, char **argv)
{
	struct run_options options = {0};
	int status;

	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &options);
	options.space.owner.is_parent = true;
	options.space.owner.command = options.command[0];
	status = run(&options.space.owner, options.command);
	space_options_free(&options.space);
	return status;
}
