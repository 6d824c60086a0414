/* SPDX-License-Identifier: MIT */
/* vswap VERB ...: finds the verb. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/cli.h"
#include "cli/common.h"

#ifndef VSWAP_VERSION
#define VSWAP_VERSION "unknown"
#endif

static const struct verb {
	const char *name, *full_name;
	verb_fn function;
	const char *arguments, *summary;
} verbs[] = {
	{"run", "vswap run", verb_run, "[-m SIZE] [--backend SPEC]... COMMAND...",
	 "run a command within a memory budget"},
	{"attach", "vswap attach", verb_attach, "[-m SIZE] [--backend SPEC]... PID",
	 "put a running process on a budget"},
	{"detach", "vswap detach", verb_detach, "PID", "bring everything back and let go"},
	{"group", "vswap group", verb_group, "[-m SIZE] [-w WEIGHT] NAME COMMAND...",
	 "run a command in a group inside the job"},
	{"limit", "vswap limit", verb_limit, "[--group NAME] SIZE [PID]", "change the budget"},
	{"backend", "vswap backend", verb_backend, "list|set|remove [NAME] [PID]",
	 "show, add, order and remove backends"},
	{"thaw", "vswap thaw", verb_thaw, "PID", "bring everything in, until the next limit"},
	{"stat", "vswap stat", verb_stat, "[--json] [PID]", "show live figures"},
	{"where", "vswap where", verb_where, "PID ADDRESS", "say where a page's bytes are now"},
	{"doctor", "vswap doctor", verb_doctor, "[--json]", "check kernel and rights"},
	{"setup", "vswap setup", verb_setup, "USER...", "let users page their own programs (root)"},
};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

static void show_usage(FILE *to)
{
	fputs("vswap: a virtual swap space in user space: programs run in less memory.\n\nUsage:\n",
	      to);
	for (size_t i = 0; i < VERBS; i++) {
		char line[80];

		snprintf(line, sizeof(line), "%s %s", verbs[i].full_name, verbs[i].arguments);
		fprintf(to, "  %-55s %s\n", line, verbs[i].summary);
	}
	fputs("\n`vswap VERB --help' says more; vswap(1) is the manual.\n", to);
}

/* Descriptors 0 to 2 that the caller closed would be given to files of ours, and
 * messages would be written into them. */
static void keep_standard_descriptors(void)
{
	int descriptor;

	do
		descriptor = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (descriptor >= 0 && descriptor <= STDERR_FILENO);
	if (descriptor >= 0)
		close(descriptor);
}

static int run_verb(const struct verb *verb, int argc, char **argv)
{
	argp_err_exit_status = CLI_USAGE;
	argv[0] = (char *)verb->full_name;
	return verb->function(argc, argv);
}

int main(int argc, char **argv)
{
	keep_standard_descriptors();
	if (argc < 2) {
		show_usage(stderr);
		return CLI_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		show_usage(stdout);
		return CLI_OK;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("vswap " VSWAP_VERSION);
		return CLI_OK;
	}
	for (size_t i = 0; i < VERBS; i++)
		if (!strcmp(argv[1], verbs[i].name))
			return run_verb(&verbs[i], argc - 1, argv + 1);
	cli_fail("'%s' is no verb of vswap; `vswap --help' lists them", argv[1]);
	return CLI_USAGE;
}
