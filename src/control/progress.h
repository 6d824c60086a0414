/* SPDX-License-Identifier: MIT */
/* One line on stderr that grows: "bringing back [#####     ] 52 %  310 MiB". Shown only on a
 * terminal, redrawn at most ten times a second. */
#ifndef CONTROL_PROGRESS_H
#define CONTROL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *what; /* "bringing back" */
	bool shown;
	uint64_t last_ns;
};

/* `total` 0: nothing is drawn. */
void progress_show(struct progress *progress, uint64_t done, uint64_t total);
/* Clears the line, so that what follows starts at its beginning. */
void progress_end(struct progress *progress);

#endif
