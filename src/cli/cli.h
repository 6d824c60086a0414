/* SPDX-License-Identifier: MIT */
/* The verbs, and the exit statuses that they share. Each verb is one file with one function of
 * verb_fn's form. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

enum {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_CANNOT_EXEC = 126,
	CLI_NOT_FOUND = 127,
};

/* argv[0] is "vswap VERB". Returns the exit status. */
typedef int (*verb_fn)(int argc, char **argv);

int verb_run(int argc, char **argv);
int verb_attach(int argc, char **argv);
int verb_backend(int argc, char **argv);
int verb_detach(int argc, char **argv);
int verb_group(int argc, char **argv);
int verb_limit(int argc, char **argv);
int verb_thaw(int argc, char **argv);
int verb_stat(int argc, char **argv);
int verb_where(int argc, char **argv);
int verb_doctor(int argc, char **argv);
int verb_setup(int argc, char **argv);

#endif
