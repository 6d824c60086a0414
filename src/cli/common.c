/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/message.h"
#include "cli/cli.h"
#include "cli/common.h"
#include "control/client.h"
#include "control/progress.h"

int cli_fail(const char *format, ...)
{
	va_list arguments;

	fputs("vswap: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return CLI_FAILED;
}

int cli_exec_failed(const char *command, int error)
{
	if (error == ENOENT && !strchr(command, '/')) {
		cli_fail("%s: command not found; check its name and PATH", command);
		return CLI_NOT_FOUND;
	}
	cli_fail("cannot run %s: %s%s", command, strerror(error),
		 error == EACCES ? "; is it executable?" : "");
	return error == ENOENT ? CLI_NOT_FOUND : CLI_CANNOT_EXEC;
}

pid_t cli_parse_pid(const char *text, struct argp_state *state)
{
	char *end;
	long pid;

	errno = 0;
	pid = strtol(text, &end, 10);
	if (errno || end == text || *end || pid < 1 || pid > INT_MAX)
		argp_error(state, "'%s' is not a process id; give the number that ps shows", text);
	return (pid_t)pid;
}

unsigned int cli_parse_weight(const char *text, struct argp_state *state)
{
	char message[MESSAGE_BYTES], *end;
	unsigned long weight;

	errno = 0;
	weight = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-')
		weight = 0;
	if (group_check_weight(weight, message))
		argp_error(state, "'%s': %s", text, message);
	return (unsigned int)weight;
}

pid_t cli_parse_one_pid(const char *text, struct argp_state *state)
{
	if (state->arg_num)
		argp_error(state, "one process id is enough; '%s' is too much", text);
	return cli_parse_pid(text, state);
}

static error_t parse_only_pid(int key, char *argument, struct argp_state *state)
{
	pid_t *pid = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		*pid = cli_parse_one_pid(argument, state);
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "give the process id; `vswap stat' lists those with a space");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

pid_t cli_only_pid(int argc, char **argv, const char *doc)
{
	const struct argp argp = {.parser = parse_only_pid, .args_doc = "PID", .doc = doc};
	pid_t pid = 0;

	argp_parse(&argp, argc, argv, 0, NULL, &pid);
	return pid;
}

static void show_progress(void *argument, uint64_t done, uint64_t total)
{
	progress_show(argument, done, total);
}

pid_t cli_choose_pid(const char *example)
{
	pid_t pids[2], job = client_find_job(getpid());
	unsigned int count;

	if (job)
		return job;
	count = client_list(pids, 2);
	if (count == 1)
		return pids[0];
	if (count)
		cli_fail("there are several spaces; say which process: %s (`vswap stat' lists "
			 "them)",
			 example);
	else
		cli_fail("there is no space; `vswap run' or `vswap attach' makes one");
	return 0;
}

int cli_long_answer(pid_t pid, const struct request *request, const char *what,
		    struct json_object **answer)
{
	struct progress progress = {.what = what};
	char message[MESSAGE_BYTES];
	int result = client_ask(pid, request, show_progress, &progress, answer, message);

	progress_end(&progress);
	return result ? cli_fail("%s", message) : CLI_OK;
}

int cli_long_request(pid_t pid, const struct request *request, const char *what)
{
	struct json_object *answer;
	int result = cli_long_answer(pid, request, what, &answer);

	if (result == CLI_OK)
		json_object_put(answer);
	return result;
}
