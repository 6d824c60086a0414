/* SPDX-License-Identifier: MIT */
#include <json-c/json.h>
#include <stdio.h>
#include "base/message.h"
#include "cli/cli.h"
#include "cli/common.h"
#include "control/client.h"
#include "control/report.h"
#include "control/show.h"

#define MOST_SPACES 256

struct stat_options {
	bool json;
	pid_t pid; /* 0: all */
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct stat_options *options = state->input;

	switch (key) {
	case 'j':
		options->json = true;
		return 0;
	case ARGP_KEY_ARG:
		options->pid = cli_parse_one_pid(argument, state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option option_list[] = {
	{"json", 'j', NULL, 0, "As JSON: see vswap-stats(5)", 0},
	{0},
};
static const struct argp argp = {
	.options = option_list,
	.parser = parse,
	.args_doc = "[PID]",
	.doc = "Shows the figures of process PID's space, or one line for each of your spaces.",
};

static int ask_report(pid_t pid, struct report *report, char message[MESSAGE_BYTES])
{
	const struct request request = {.kind = REQUEST_REPORT};
	struct json_object *answer, *object;
	int result = client_ask(pid, &request, NULL, NULL, &answer, message);

	if (result)
		return result;
	if (!json_object_object_get_ex(answer, "report", &object))
		object = NULL;
	report_from_json(object, report);
	json_object_put(answer);
	return 0;
}

/* Between the list and the question: nothing is wrong. */
static bool has_ended(int result)
{
	return result == -EPIPE || result == -ECONNREFUSED || result == -ENOENT;
}

static int show_one(const struct stat_options *options)
{
	char message[MESSAGE_BYTES];
	struct report report;

	if (ask_report(options->pid, &report, message))
		return cli_fail("%s", message);
	if (options->json ? report_json(&report, stdout) : report_table(&report, stdout))
		return cli_fail("cannot write the figures to standard output");
	return CLI_OK;
}

/* JSON of all spaces: an array, so that it stays one document. */
static int list_json(const struct report *reports, unsigned int count)
{
	struct json_object *array = json_object_new_array();

	if (!array)
		return cli_fail("out of memory");
	for (unsigned int i = 0; i < count; i++)
		json_object_array_add(array, report_to_json(&reports[i]));
	puts(json_object_to_json_string_ext(array, JSON_C_TO_STRING_PRETTY |
							   JSON_C_TO_STRING_SPACED |
							   JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(array);
	return CLI_OK;
}

/* False when the owner of one did not answer, which is said. */
static bool ask_all(struct report *reports, unsigned int *count)
{
	char message[MESSAGE_BYTES];
	pid_t pids[MOST_SPACES];
	unsigned int found = client_list(pids, MOST_SPACES);
	bool all = true;

	*count = 0;
	for (unsigned int i = 0; i < found; i++) {
		int result = ask_report(pids[i], &reports[*count], message);

		if (!result) {
			++*count;
		} else if (!has_ended(result)) {
			cli_fail("%s", message);
			all = false;
		}
	}
	return all;
}

static int show_all(bool json)
{
	static struct report reports[MOST_SPACES];
	unsigned int count;
	bool all = ask_all(reports, &count);
	int result = CLI_OK;

	if (json)
		result = list_json(reports, count);
	else if (count)
		result = report_list(reports, count, stdout) ? CLI_FAILED : CLI_OK;
	else if (all)
		puts("No space is open. `vswap run COMMAND' and `vswap attach PID' make one.");
	return all ? result : CLI_FAILED;
}

int verb_stat(int argc, char **argv)
{
	struct stat_options options = {0};

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	return options.pid ? show_one(&options) : show_all(options.json);
}
