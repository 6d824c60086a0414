/* SPDX-License-Identifier: MIT */
/*
 * Options of the programs here, one after another:
 *
 *   for (int at = 1; at < argc; at++)
 *           if (!option_number(argv, &at, "--mib", &mib) && !option_is(argv, &at, "--verify", &on))
 *                   usage();
 *
 * Each is true if the word at *at is this option, which is then taken, value and all. A value that
 * is missing, or that is no number, is said; exit status 2.
 */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline bool option_is(char **argv, const int *at, const char *name, bool *given)
{
	if (strcmp(argv[*at], name) != 0)
		return false;
	*given = true;
	return true;
}

static inline bool option_text(char **argv, int *at, const char *name, const char **text)
{
	if (strcmp(argv[*at], name) != 0)
		return false;
	if (!argv[*at + 1]) {
		fprintf(stderr, "%s: %s wants a value\n", argv[0], name);
		exit(2);
	}
	*text = argv[++*at];
	return true;
}

static inline bool option_number(char **argv, int *at, const char *name, uint64_t *number)
{
	const char *text;
	char *end;

	if (!option_text(argv, at, name, &text))
		return false;
	*number = strtoull(text, &end, 10);
	if (*end || end == text || *text == '-') {
		fprintf(stderr, "%s: %s wants a whole number, not '%s'\n", argv[0], name, text);
		exit(2);
	}
	return true;
}

#endif
