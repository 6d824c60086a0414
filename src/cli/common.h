/* SPDX-License-Identifier: MIT */
/* What verbs have in common: messages, arguments, long requests. */
#ifndef CLI_COMMON_H
#define CLI_COMMON_H

#include <argp.h>
#include <sys/types.h>
#include "cli/cli.h"
#include "control/request.h"

struct json_object;

/* "vswap: MESSAGE" on stderr; returns CLI_FAILED. */
__attribute__((format(printf, 1, 2))) int cli_fail(const char *format, ...);

/* Says why `command` could not be executed; returns CLI_NOT_FOUND or CLI_CANNOT_EXEC. */
int cli_exec_failed(const char *command, int error);

/* A pid as an argument; ends the program with a usage error when it is none. */
pid_t cli_parse_pid(const char *text, struct argp_state *state);

/* The same for verbs that take one argument at most. */
pid_t cli_parse_one_pid(const char *text, struct argp_state *state);

/* Argument parsing of the verbs that take a PID and nothing else. */
pid_t cli_only_pid(int argc, char **argv, const char *doc);

/* The weight of a group as an argument; ends the program with a usage error when it is none. */
unsigned int cli_parse_weight(const char *text, struct argp_state *state);

/* For verbs whose PID may be left out: the job around us, or the only one there is. 0: there is
 * none, or there are several, and the user has been told to write it as `example` does. */
pid_t cli_choose_pid(const char *example);

/* Sends a thaw or a detach and shows its progress as `what`. Returns the exit status. */
int cli_long_request(pid_t pid, const struct request *request, const char *what);
/* The same; with the answer, which the caller puts, when it is CLI_OK. */
int cli_long_answer(pid_t pid, const struct request *request, const char *what,
		    struct json_object **answer);

#endif
