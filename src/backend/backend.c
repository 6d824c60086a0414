/* SPDX-License-Identifier: MIT */
/* The table of kinds, and what is the same for all of them. */
#include "backend/backend.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "backend/file.h"
#include "base/message.h"

static const struct backend_operations *const kinds[] = {
	&file_operations,
};

int backend_open(const struct backend_spec *spec, struct backend **backend, char *message)
{
	message[0] = '\0';
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		int error;

		if (strcmp(kinds[i]->kind, spec->kind) != 0)
			continue;
		error = kinds[i]->open(spec, backend, message);
		if (!error)
			(*backend)->seals = !spec->plain;
		return error;
	}
	return explain(message, -EINVAL,
		       "\"%s\" is no kind of backend that can be opened; use file:PATH",
		       spec->kind);
}

void backend_close(struct backend *backend)
{
	if (backend)
		backend->operations->close(backend);
}
