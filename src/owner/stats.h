/* SPDX-License-Identifier: MIT */
/*
 * The file of `--stats`: made beside its final name when the run starts, so that a
 * path that cannot be written is known then, and renamed over it at the end, so
 * that nobody ever reads half a file. A name that is no regular file (a device,
 * a pipe) is written directly.
 */
#ifndef OWNER_STATS_H
#define OWNER_STATS_H

#include <stdio.h>
#include "base/message.h"
#include "control/report.h"

struct stats_file {
	FILE *stream;	  /* NULL: nothing to write */
	const char *path; /* the caller's */
	char *temporary;  /* NULL: written directly */
};

/* path NULL: nothing will be written. 0 or -errno with a message. */
int stats_open(struct stats_file *file, const char *path, char *message);
/* Writes and puts in place. 0 or -errno; closed either way. */
int stats_commit(struct stats_file *file, const struct report *report);
/* Leaves no file behind. Fine after stats_commit. */
void stats_abandon(struct stats_file *file);

#endif
