/* SPDX-License-Identifier: MIT */
/* What the verbs share. Each verb is one file with one function of verb_fn's form. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "control/request.h"
#include "owner/owner.h"

enum {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_CANNOT_EXEC = 126,
	CLI_NOT_FOUND = 127,
};

/* In place of a SIZE: the limit of the job's memory cgroup is the budget. */
#define CLI_CGROUP "cgroup"

/* argv[0] is "vswap VERB". Returns the exit status. */
typedef int (*verb_fn)(int argc, char **argv);

int verb_run(int argc, char **argv);
int verb_attach(int argc, char **argv);
int verb_detach(int argc, char **argv);
int verb_group(int argc, char **argv);
int verb_limit(int argc, char **argv);
int verb_thaw(int argc, char **argv);
int verb_stat(int argc, char **argv);
int verb_where(int argc, char **argv);
int verb_doctor(int argc, char **argv);
int verb_setup(int argc, char **argv);

/* "vswap: MESSAGE" on stderr; returns CLI_FAILED. */
__attribute__((format(printf, 1, 2))) int cli_fail(const char *format, ...);

/* Says why `command` could not be executed; returns CLI_NOT_FOUND or CLI_CANNOT_EXEC. */
int cli_exec_failed(const char *command, int error);

/* A pid as an argument; ends the program with a usage error when it is none. */
pid_t cli_parse_pid(const char *text, struct argp_state *state);
/* The same for verbs that take one argument at most. */
pid_t cli_parse_one_pid(const char *text, struct argp_state *state);

/* -m, --backend, --stats, -q: an argp child whose input is a struct space_options. */
struct space_options {
	struct owner_config owner;     /* what the options say; the verb adds the rest */
	struct backend_spec *backends; /* owner.backends, freed by space_options_free */
};
extern const struct argp space_argp;
void space_options_free(struct space_options *options);

/* Argument parsing of the verbs that take a PID and nothing else. */
pid_t cli_only_pid(int argc, char **argv, const char *doc);

/* The weight of a group as an argument; ends the program with a usage error when it is none. */
unsigned int cli_parse_weight(const char *text, struct argp_state *state);

/* Sends a thaw or a detach and shows its progress as `what`. Returns the exit status. */
int cli_long_request(pid_t pid, const struct request *request, const char *what);

#endif
