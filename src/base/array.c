/* SPDX-License-Identifier: MIT */
#include "base/array.h"

#include <errno.h>
#include <stdlib.h>

#define CAPACITY_FIRST 64u

int array_grow(void **items, size_t *capacity, size_t need, size_t size)
{
	size_t want = *capacity ? *capacity : CAPACITY_FIRST;
	void *grown;

	if (need <= *capacity)
		return 0;
	while (want < need)
		want *= 2;
	grown = realloc(*items, want * size);
	if (!grown)
		return -ENOMEM;
	*items = grown;
	*capacity = want;
	return 0;
}
