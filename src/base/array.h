/* SPDX-License-Identifier: MIT */
/* Arrays that grow. */
#ifndef BASE_ARRAY_H
#define BASE_ARRAY_H

#include <stddef.h>

/* Makes room for `need` items of `size` bytes each: doubles the capacity until they fit. 0, or
 * -ENOMEM with everything as it was. */
int array_grow(void **items, size_t *capacity, size_t need, size_t size);

#endif
