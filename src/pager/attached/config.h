/* SPDX-License-Identifier: MIT */
/* What a pager is opened with. */
#ifndef PAGER_ATTACHED_CONFIG_H
#define PAGER_ATTACHED_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include "backend/backend.h"

#define PAGER_KEEPERS  2
#define PAGER_BACKENDS 16

struct pager_config {
	uint64_t limit_bytes; /* the budget: resident + RAM segments + metadata */
	const struct backend_spec *backends;
	unsigned int backend_count;
	bool no_children; /* the process alone, not what it starts */
	/* Things the user must hear (no space anywhere, a child left alone, ...): one line,
	 * no newline. Any thread. */
	void (*say)(void *argument, const char *line);
	void *say_argument;
};

#endif
