/* SPDX-License-Identifier: MIT */
/* Fuzzer (libFuzzer): a SPEC is refused with a message, or gives a backend within its bounds. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct backend_spec spec;
	char message[MESSAGE_BYTES];
	int error;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	error = backend_parse_spec(text, &spec, message);
	if (!memchr(message, '\0', sizeof(message)) || (error != 0) != (message[0] != '\0'))
		abort();
	if (!error && (!spec.name[0] || !memchr(spec.name, '\0', sizeof(spec.name)) ||
		       !memchr(spec.path, '\0', sizeof(spec.path)) ||
		       (strcmp(spec.kind, "ram") && !spec.path[0])))
		abort();
	free(text);
	return 0;
}
