/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/message.h"
#include "cli/cli.h"
#include "cli/common.h"
#include "control/client.h"
#include "control/report.h"
#include "pager/pager.h"

struct where_options {
	pid_t pid;
	uint64_t address;
};

static uint64_t parse_address(const char *text, struct argp_state *state)
{
	char *end;
	uint64_t address;

	/* Always hexadecimal, as /proc/PID/maps and debuggers write it, with or without 0x. */
	errno = 0;
	address = strtoull(text, &end, 16);
	if (errno || end == text || *end || strchr(text, '-'))
		argp_error(state, "'%s' is not an address; give it as /proc/PID/maps shows it",
			   text);
	return address;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct where_options *options = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (state->arg_num == 0)
			options->pid = cli_parse_pid(argument, state);
		else if (state->arg_num == 1)
			options->address = parse_address(argument, state);
		else
			argp_error(state, "'%s' is too much", argument);
		return 0;
	case ARGP_KEY_END:
		if (state->arg_num != 2)
			argp_error(state, "give a process id and an address, as in: vswap where "
					  "1234 0x7f12a4000000");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.parser = parse,
	.args_doc = "PID ADDRESS",
	.doc = "Says which slot the page at ADDRESS of process PID has, its state, and where its "
	       "bytes are now.",
};

static void show(const struct where_options *options, const struct pager_where *where)
{
	printf("address  0x%" PRIx64 "\n", options->address);
	printf("state    %s\n", where->state);
	if (where->slot)
		printf("slot     %" PRIu64 "\n", where->slot);
	printf("place    %s\n", where->place);
	if (!where->bytes)
		return;
	printf("count    %" PRIu32 "\n", where->sharers);
	printf("segment  %" PRIu32 "\n", where->segment);
	printf("object   %" PRIu32 " bytes for %u page(s), %s\n", where->bytes, where->pages,
	       where->codec);
}

int verb_where(int argc, char **argv)
{
	struct where_options options = {0};
	struct request request = {.kind = REQUEST_WHERE};
	char message[MESSAGE_BYTES];
	struct json_object *answer, *value;
	struct pager_where where;
	pid_t job;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	request.address = options.address;
	request.pid = options.pid;
	job = client_find_job(options.pid);
	if (client_ask(job ? job : options.pid, &request, NULL, NULL, &answer, message))
		return cli_fail("%s", message);
	if (json_object_object_get_ex(answer, "where", &value)) {
		where_from_json(value, &where);
		show(&options, &where);
	}
	json_object_put(answer);
	return CLI_OK;
}
