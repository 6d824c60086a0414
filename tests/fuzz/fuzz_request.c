/* SPDX-License-Identifier: MIT */
/* Fuzzer (libFuzzer): a line of the control socket is refused with a message, or is a request. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "control/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of just this size, so that reading past it is seen. */
	char *line = malloc(size + !size);
	char message[200] = "";
	struct request request = {.kind = -1};
	int error;

	if (!line)
		return 0;
	memcpy(line, data, size);
	error = request_parse(line, size, &request, message, sizeof(message));
	if ((error != 0) != (message[0] != '\0') || !memchr(message, '\0', sizeof(message)))
		abort();
	if (!error && (request.kind < REQUEST_REPORT || request.kind > REQUEST_WHERE))
		abort();
	free(line);
	return 0;
}
