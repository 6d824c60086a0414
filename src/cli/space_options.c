/* SPDX-License-Identifier: MIT */
/* The options of the verbs that open a space: run and attach. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/message.h"
#include "base/size.h"
#include "cli/cli.h"
#include "cli/space_options.h"
#include "pager/pager.h"

/* Half of RAM leaves room for the rest of the machine whatever the program does. */
#define DEFAULT_LIMIT_PERCENT 50

static void parse_limit(struct owner_config *owner, const char *text, struct argp_state *state)
{
	char message[MESSAGE_BYTES], least[SIZE_TEXT], given[SIZE_TEXT];

	owner->cgroup = !strcmp(text, CLI_CGROUP);
	if (owner->cgroup)
		return;
	if (size_parse(text, size_of_ram(), &owner->limit_bytes, message))
		argp_error(state, "%s", message);
	if (owner->limit_bytes < pager_least_limit())
		argp_error(state, "a budget of %s is too small; the least is %s (-m %llu)",
			   size_format(owner->limit_bytes, given),
			   size_format(pager_least_limit(), least),
			   (unsigned long long)pager_least_limit());
}

static void add_backend(struct space_options *options, const char *text, struct argp_state *state)
{
	struct owner_config *owner = &options->owner;
	struct backend_spec *backends;
	char message[MESSAGE_BYTES];

	if (owner->backend_count == BACKEND_MOST)
		argp_error(state, "more than %d backends", BACKEND_MOST);
	backends = reallocarray(options->backends, owner->backend_count + 1, sizeof(*backends));
	if (!backends)
		argp_failure(state, CLI_FAILED, ENOMEM, "backends");
	owner->backends = options->backends = backends;
	if (backend_parse_spec(text, &backends[owner->backend_count], message))
		argp_error(state, "%s", message);
	owner->backend_count++;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct space_options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		*options = (struct space_options){
			.owner.limit_bytes = size_of_ram() / 100 * DEFAULT_LIMIT_PERCENT,
		};
		return 0;
	case 'm':
		parse_limit(&options->owner, argument, state);
		return 0;
	case 'b':
		add_backend(options, argument, state);
		return 0;
	case 's':
		options->owner.stats_path = argument;
		return 0;
	case 'q':
		options->owner.quiet = true;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option option_list[] = {
	{"memory", 'm', "SIZE", 0,
	 "Budget: resident memory, compressed pages and vswap's own tables together. Bytes, "
	 "or with K, M, G, T, or a percentage of RAM (default 50%); or `cgroup': follow the limit "
	 "of the memory cgroup that the program lives in",
	 0},
	{"backend", 'b', "SPEC", 0,
	 "Where pages may go: file:PATH[,size=SIZE][,prio=N][,name=NAME][,seal=no] (a file, a "
	 "block "
	 "device, or a folder; encrypted unless seal=no) or ram[,size=SIZE]. May be given several "
	 "times",
	 0},
	{"stats", 's', "FILE", 0, "Write the figures as JSON to FILE at the end", 0},
	{"quiet", 'q', NULL, 0, "No closing paragraph", 0},
	{0},
};

const struct argp space_argp = {.options = option_list, .parser = parse};

void space_options_free(struct space_options *options)
{
	free(options->backends);
	options->backends = NULL;
}
