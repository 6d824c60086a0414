/* SPDX-License-Identifier: MIT */
/* Backends, as they come and go. Private to src/lib. */
#ifndef LIB_BACKENDS_H
#define LIB_BACKENDS_H

#include <stddef.h>
#include <stdint.h>
#include "backend/backend.h"

struct vswap;

/* Fills the message, if there is one, and returns the error. */
int lib_fail(char *message, size_t bytes, int error, const char *text, ...)
	__attribute__((format(printf, 4, 5)));

/* Opens one more. 0 or -errno with a message. `lock` held, or nobody else knows the space. */
int backends_open(struct vswap *vswap, const char *text, char *message, size_t bytes);
struct backend_statistics backends_statistics(struct backend *backend);
uint64_t backends_used_bytes(struct vswap *vswap);

#endif
