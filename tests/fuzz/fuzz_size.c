/* SPDX-License-Identifier: MIT */
/* Fuzzer (libFuzzer): a SIZE is refused with a message, or gives 1 byte to 2^62 and prints. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	char message[MESSAGE_BYTES] = "", shown[SIZE_TEXT];
	uint64_t bytes = 0;
	int error;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	error = size_parse(text, 16ull << 30, &bytes, message);
	if ((error != 0) != (message[0] != '\0') || !memchr(message, '\0', sizeof(message)))
		abort();
	if (!error && (!bytes || bytes > 1ull << 62))
		abort();
	size_format(bytes, shown);
	free(text);
	return 0;
}
