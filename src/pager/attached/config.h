/* SPDX-License-Identifier: MIT */
/* What a pager is opened with. */
#ifndef PAGER_ATTACHED_CONFIG_H
#define PAGER_ATTACHED_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include "backend/backend.h"

#define PAGER_KEEPERS 2

struct pager_config {
	uint64_t limit_bytes; /* the budget: resident + RAM segments + metadata */
	const struct backend_spec *backends;
	unsigned int backend_count;
	bool no_children; /* the process alone, not what it starts */
	/* Things the user must hear (no space anywhere, a child left alone, ...): one line,
	 * no newline. Any thread. */
	void (*say)(void *argument, const char *line);
	void *say_argument;
	/* Called every 200 ms while the control thread is at something long: pages are brought
	 * back, a process is let go. It may look at the pager, and change nothing. Control thread;
	 * may be NULL. */
	void (*meanwhile)(void *argument);
	void *meanwhile_argument;
};

#endif
