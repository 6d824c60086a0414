/* SPDX-License-Identifier: MIT */
/* The table of kinds, and what is the same for all of them. */
#include "backend/backend.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/kinds.h"

static const struct backend_operations *const kinds[] = {
	&file_operations,
};

int backend_open(const struct backend_spec *spec, struct backend **backend, char *message,
		 size_t message_size)
{
	message[0] = '\0';
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		int error;

		if (strcmp(kinds[i]->kind, spec->kind) != 0)
			continue;
		error = kinds[i]->open(spec, backend, message, message_size);
		if (!error)
			(*backend)->seals = !spec->plain;
		return error;
	}
	snprintf(message, message_size,
		 "\"%s\" is no kind of backend that can be opened; use file:PATH", spec->kind);
	return -EINVAL;
}

void backend_close(struct backend *backend)
{
	if (backend)
		backend->operations->close(backend);
}
